"""How each edition of the challenge makes its official score of AUCs and pAUCs.

Means over ids and machines, and the ranking of systems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from asdkit.metrics.roc import FloatArray

Figure = TypeVar("Figure", float, FloatArray)


@dataclass(frozen=True)
class IdResult:
    """AUC and pAUC of one id (section) under one name (a member's or a system's); None where a class is missing.

    Attributes
    ----------
    domain
        Of the normal clips: ``"source"`` or ``"target"``; None: all.
    """

    machine: str
    id: str
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    n_normal: int
    n_anomaly: int
    domain: str | None = None


@dataclass(frozen=True)
class ScoringRule:
    """What an edition takes the AUC of, and how it averages.

    Attributes
    ----------
    name
        The edition that began it.
    anomalies
        Which anomalies the normal clips of a domain are held against: ``"own"``, those of that domain (2021), or
        ``"all"`` of the section (2022 on). None: domains are not told apart (2020).
    """

    name: str
    anomalies: Literal["own", "all"] | None

    @property
    def mean(self) -> str:
        """What the figures are averaged by, in words."""
        return "arithmetic mean" if self.anomalies is None else "harmonic mean"

    def average(
        self, rows: Sequence[IdResult], auc: Callable[[IdResult], Figure], pauc: Callable[[IdResult], Figure]
    ) -> tuple[Figure, Figure, Figure] | None:
        """AUC, pAUC and official score over ids (sections) and machines; None where no id has all its figures.

        2020: arithmetic means over ids, then over machines; the score is the mean of both (a convention of later
        papers: the challenge itself ranked, see `rank`). 2021: the harmonic mean of the AUC and pAUC of each section
        and domain. From 2022: the harmonic mean of each section's AUC in either domain and its pAUC over both.

        Parameters
        ----------
        rows
            Results of one system, of one machine or several.
        auc, pauc
            What to average: the figure of a row, or resamples of it [float64, ``[resamples]``].
        """
        whole = list(self._complete(rows))
        if not whole:
            return None
        if self.anomalies is None:
            by_machine: dict[str, list[IdResult]] = {}
            for (row,) in whole:
                by_machine.setdefault(row.machine, []).append(row)
            mean_auc = _arithmetic([_arithmetic([auc(r) for r in ids]) for ids in by_machine.values()])
            mean_pauc = _arithmetic([_arithmetic([pauc(r) for r in ids]) for ids in by_machine.values()])
            return mean_auc, mean_pauc, (mean_auc + mean_pauc) / 2
        domains = [row for section in whole for row in section if row.domain is not None]
        both = [row for section in whole for row in section if row.domain is None]
        aucs = [auc(row) for row in domains]
        paucs = [pauc(row) for row in (domains if self.anomalies == "own" else both)]
        return _harmonic(aucs), _harmonic(paucs), _harmonic(aucs + paucs)

    def _complete(self, rows: Iterable[IdResult]) -> Iterable[list[IdResult]]:
        """Rows of each machine id, where all that the score needs of them is there."""
        sections: dict[tuple[str, str], list[IdResult]] = {}
        for row in rows:
            if row.domain is None or self.anomalies is not None:
                sections.setdefault((row.machine, row.id), []).append(row)
        for section in sections.values():
            enough = self.anomalies is None or any(row.domain is not None for row in section)
            if enough and all(row.auc is not None for row in section):
                yield section


DCASE2020 = ScoringRule("dcase2020", None)
DCASE2021 = ScoringRule("dcase2021", "own")
DCASE2022 = ScoringRule("dcase2022", "all")

LATER = ("dcase2022", "dcase2023", "dcase2024", "dcase2025", "dcase2026")


def rule_for(layout: str) -> ScoringRule:
    """Find the rule of a data layout; data of no edition follow that of 2020, which needs no domains."""
    if layout in LATER:
        return DCASE2022
    return DCASE2021 if layout == "dcase2021" else DCASE2020


def _arithmetic(figures: Sequence[Figure]) -> Figure:
    return sum(figures[1:], start=figures[0]) / len(figures)


def _harmonic(figures: Sequence[Figure]) -> Figure:
    """0 where any figure is 0, as its limit is."""
    with np.errstate(divide="ignore"):
        inverse = sum((np.divide(1.0, figure) for figure in figures[1:]), start=np.divide(1.0, figures[0]))
        mean: Figure = len(figures) / inverse
    return mean


@dataclass(frozen=True)
class Mean:
    """AUC and pAUC averaged as the rule says: over the ids of one machine, or (`machine` None) over machines.

    Attributes
    ----------
    of
        How many ids (of one machine) or machines went into it.
    official
        The edition's score; see `ScoringRule.average`.
    """

    machine: str | None
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    of: int
    official: float | None = None


def means(results: Iterable[IdResult], rule: ScoringRule = DCASE2020) -> list[Mean]:
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


def _mean(machine: str | None, name: str, kind: str, rows: Sequence[IdResult], of: int, rule: ScoringRule) -> Mean:
    found = rule.average(rows, auc=lambda r: float(r.auc or 0), pauc=lambda r: float(r.pauc or 0))
    if found is None:
        return Mean(machine, name, kind, None, None, 0)
    auc, pauc, official = map(float, found)
    return Mean(machine, name, kind, auc, pauc, of, official)


def partial_means(averages: Iterable[Mean]) -> list[tuple[Mean, int]]:
    """List the overall means over fewer machines than the fullest one, each with the machine count of that one.

    Such a mean is not comparable with the others.
    """
    overall = [mean for mean in averages if mean.machine is None]
    most = max((mean.of for mean in overall), default=0)
    return [(mean, most) for mean in overall if 0 < mean.of < most]


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
