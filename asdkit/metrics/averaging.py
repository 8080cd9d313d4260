"""Means over ids and machines, and the ranking of systems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asdkit.metrics.evaluating import IdResult
from asdkit.metrics.rules import DCASE2020, Rule


@dataclass(frozen=True)
class Mean:
    """AUC and pAUC averaged as the rule says: over the ids of one machine, or (`machine` None) over machines.

    Attributes
    ----------
    of
        How many ids (of one machine) or machines went into it.
    official
        The edition's score; see `Rule.average`.
    """

    machine: str | None
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    of: int
    official: float | None = None


def means(results: Iterable[IdResult], rule: Rule = DCASE2020) -> list[Mean]:
    """Means of each machine, then of all; ids without all their figures stay out."""
    by_name: dict[tuple[str, str], dict[str, list[IdResult]]] = {}
    for result in results:
        by_name.setdefault((result.name, result.kind), {}).setdefault(result.machine, []).append(result)
    machines = [
        _mean(machine, name, kind, rows, len({r.id for r in rows if r.auc is not None}), rule)
        for (name, kind), by_machine in by_name.items()
        for machine, rows in by_machine.items()
    ]
    overall = []
    for (name, kind), by_machine in by_name.items():
        of = sum(m.official is not None for m in machines if (m.name, m.kind) == (name, kind))
        overall.append(_mean(None, name, kind, [r for rows in by_machine.values() for r in rows], of, rule))
    return machines + overall


def _mean(machine: str | None, name: str, kind: str, rows: Sequence[IdResult], of: int, rule: Rule) -> Mean:
    found = rule.average(rows, auc=lambda r: float(r.auc or 0), pauc=lambda r: float(r.pauc or 0))
    if found is None:
        return Mean(machine, name, kind, None, None, 0)
    auc, pauc, official = map(float, found)
    return Mean(machine, name, kind, auc, pauc, of, official)


def rank(results: Sequence[Mean]) -> dict[str, float]:
    """Rank systems as the challenge of 2020 did: by the mean of their places, best (lowest) first.

    A system has a place (1 is best, ties share the mean of theirs) for AUC and one for pAUC on each machine. That the
    organisers averaged places is inferred from their table, where the highest mean AUC came fourth.

    Parameters
    ----------
    results
        Means of every system on the same machines; those over machines are passed over.
    """
    names = list(dict.fromkeys(m.name for m in results))
    places: dict[str, list[float]] = {name: [] for name in names}
    for machine in sorted({m.machine for m in results if m.machine is not None}):
        rows = [m for m in results if m.machine == machine and m.auc is not None]
        if {m.name for m in rows} != set(names):
            raise ValueError(f"not every system has figures for {machine}")
        for figures in ([(m.name, m.auc) for m in rows], [(m.name, m.pauc) for m in rows]):
            for name, own in figures:
                better = sum(other > own for _, other in figures)  # type: ignore[operator]
                alike = sum(other == own for _, other in figures)
                places[name].append(better + (alike + 1) / 2)
    means_of = {name: sum(p) / len(p) for name, p in places.items() if p}
    return dict(sorted(means_of.items(), key=lambda item: item[1]))
