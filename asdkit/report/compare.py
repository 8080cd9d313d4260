"""Two runs on the same clips: how far their figures lie apart, and whether that may be chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asdkit.errors import DataError
from asdkit.metrics import DCASE2020, Bootstrap, IdResult, Interval, LabelledClip, difference, evaluate, is_unreliable
from asdkit.report.run_data import Run, ScoreTable
from asdkit.text import printable

_NAMED = 5  # clips that a refusal names
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Difference:
    """How far one name's figures in the second run lie above those in the first.

    Attributes
    ----------
    machine, id
        None: the mean over all of them (of the machine).
    auc, pauc
        In the first run and in the second.
    auc_interval, pauc_interval
        Of the second less the first, paired, 95 %.
    unreliable
        Whether they may be too narrow: nearly perfect scores of few clips in both runs.
    """

    name: str
    kind: str
    machine: str | None
    id: str | None
    auc: tuple[float, float]
    pauc: tuple[float, float]
    auc_interval: Interval
    pauc_interval: Interval
    unreliable: bool


def compare(first: Run, second: Run) -> list[Difference]:
    """Compare what two runs have in common: members and systems by name, machine by machine and id by id.

    Differences are paired: both runs see the same resamples of the clips. Domains are not told apart, and means are
    arithmetic, over ids, then over machines.

    Parameters
    ----------
    first, second
        Finished runs.

    Raises
    ------
    DataError
        If they have no name or machine in common, if one scored other labelled test clips of a common machine than
        the other, or none are labelled; or if the figures of one are not those of its scores.
    """
    machines, names = _common(first, second)
    if not machines or not names:
        what = "machine" if not machines else "member or system"
        hint = f"The first has {_listed(first, what)}.\nThe second has {_listed(second, what)}."
        raise DataError(f"the runs have no {what} in common", hint=hint)
    _refuse_others(first, second, machines)
    rows = []
    for name in names:
        rows += _of_name(first, second, name, _scored(first, second, name, machines))
    if not rows:
        reasons = not_compared(first, second) or ["no id has labelled test clips of both classes"]
        raise DataError("there is no AUC to compare", hint="\n".join(reasons))
    return rows


def not_compared(first: Run, second: Run) -> list[str]:
    """Say what one run has and the other has not, in a line each."""
    machines, names = _common(first, second)
    lines = []
    for which, one, other in (("first", first, second), ("second", second, first)):
        only = sorted(one.tables.keys() - other.tables.keys())
        lines += [f"machines of the {which} alone: {', '.join(only)}"] if only else []
        only = [n for n in (*one.members, *one.systems) if n not in {*other.members, *other.systems}]
        lines += [f"members and systems of the {which} alone: {', '.join(only)}"] if only else []
        for name in names:
            without = [m for m in machines if name not in one.tables[m].columns]
            lines += [f"{name}: the {which} has no scores of {', '.join(without)}"] if without else []
    return [printable(line) for line in lines]


def _common(first: Run, second: Run) -> tuple[list[str], list[str]]:
    """Machines, and names of members and systems, that both have."""
    machines = sorted(first.tables.keys() & second.tables.keys())
    return machines, [n for n in (*first.members, *first.systems) if n in {*second.members, *second.systems}]


def _scored(first: Run, second: Run, name: str, machines: Sequence[str]) -> list[str]:
    """Machines that both have scores of a name of."""
    return [m for m in machines if all(name in run.tables[m].columns for run in (first, second))]


def _of_name(first: Run, second: Run, name: str, scored: Sequence[str]) -> list[Difference]:
    """Differences of one name: of each id, each machine, and all."""
    kind = "system" if name in first.systems else "member"
    judged = []
    for run in (first, second):
        truth = [clip for m in scored for clip in _truth(m, run.tables[m])]
        scores = {c: float(s) for m in scored for c, s in _scores(run.tables[m], name)}
        results = [r for r in evaluate(truth, scores, name=name, kind=kind) if r.auc is not None]
        _require_its_own(run, results)
        judged.append((Bootstrap(truth, scores), results))
    rows = []
    for machine in scored:
        ids = sorted({r.id for r in judged[0][1] if r.machine == machine})
        rows += [_difference(judged, name, kind, machine, id_) for id_ in ids]
        if len(ids) > 1:
            rows.append(_difference(judged, name, kind, machine, None))
    if len({r.machine for r in judged[0][1]}) > 1:
        rows.append(_difference(judged, name, kind, None, None))
    return rows


def _difference(
    judged: Sequence[tuple[Bootstrap, list[IdResult]]], name: str, kind: str, machine: str | None, id_: str | None
) -> Difference:
    chosen = [(b, [r for r in rows if machine in (None, r.machine) and id_ in (None, r.id)]) for b, rows in judged]
    intervals = difference(chosen[1], chosen[0])
    assert intervals is not None  # each row has both figures
    aucs, paucs = zip(*(_means(rows) for _, rows in chosen), strict=True)
    unreliable = id_ is not None and all(is_unreliable(row) for _, rows in chosen for row in rows)
    pairs = (aucs[0], aucs[1]), (paucs[0], paucs[1])
    return Difference(name, kind, machine, id_, *pairs, intervals[0], intervals[1], unreliable)


def _means(rows: Sequence[IdResult]) -> tuple[float, float]:
    """AUC and pAUC, averaged as the bootstrap does."""
    found = DCASE2020.average(rows, lambda r: float(r.auc or 0), lambda r: float(r.pauc or 0))
    assert found is not None
    return found[0], found[1]


def _require_its_own(run: Run, results: Sequence[IdResult]) -> None:
    """Refuse a run whose figures were made from other scores."""
    told = {(r.name, r.machine, r.id): r.auc for r in run.results if r.domain is None}
    for row in results:
        auc = told.get((row.name, row.machine, row.id), row.auc)
        if auc is None or row.auc is None or abs(auc - row.auc) > _ROUNDING:
            raise DataError(
                f"{printable(str(run.folder))}: results.json has not the AUC that scores.csv gives {row.name} on "
                f"{row.machine} id {row.id}",
                hint="One of them was changed. `asdkit run SPEC` writes both again; finished jobs are kept.",
            )


def _truth(machine: str, table: ScoreTable) -> list[LabelledClip]:
    rows = zip(table.clips, table.ids, table.splits, table.labels, strict=True)
    return [LabelledClip(clip, machine, id_, x) for clip, id_, split, x in rows if split == "test" and x is not None]


def _scores(table: ScoreTable, name: str) -> zip[tuple[str, float]]:
    return zip(table.clips, table.columns[name], strict=True)


def _refuse_others(first: Run, second: Run, machines: Sequence[str]) -> None:
    """Refuse runs whose labelled test clips are not the same, or not labelled alike."""
    lines = []
    for machine in machines:
        one, other = (
            {c.name: (c.id, c.label) for c in _truth(machine, run.tables[machine])} for run in (first, second)
        )
        lines += _some("only in the first", [c for c in one if c not in other])
        lines += _some("only in the second", [c for c in other if c not in one])
        lines += _some("of another id or label", [c for c in one if c in other and one[c] != other[c]])
    if lines:
        raise DataError(
            "the runs are not of the same clips:\n" + "\n".join(lines),
            hint="Figures of different clips cannot be paired. Run one again on the other's clips.",
        )


def _some(what: str, clips: Sequence[str]) -> list[str]:
    more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
    return [f"{what}: {', '.join(map(printable, clips[:_NAMED]))}{more}"] if clips else []


def _listed(run: Run, what: str) -> str:
    return (
        ", ".join(map(printable, sorted(run.tables) if what == "machine" else (*run.members, *run.systems)))
        or "none at all"
    )
