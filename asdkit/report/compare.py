"""Paired differences of AUC and pAUC between two runs on the same clips, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asdkit.errors import DataError
from asdkit.metrics import DCASE2020, Bootstrap, IdResult, Interval, LabelledClip, difference, evaluate, is_unreliable
from asdkit.report.run_data import Run
from asdkit.run.score_table import ScoreTable
from asdkit.text import printable

_NAMED = 5  # clips that an error names
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Difference:
    """Difference of one name's figures between two runs: the second less the first.

    Attributes
    ----------
    machine, id
        None: the mean over all of them (of the machine).
    auc, pauc
        In the first run and in the second.
    auc_interval, pauc_interval
        95 % intervals of the paired difference.
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


@dataclass(frozen=True)
class _Evaluated:
    """One name's results in one run, and their bootstrap."""

    bootstrap: Bootstrap
    rows: list[IdResult]

    def only(self, machine: str | None, id_: str | None) -> list[IdResult]:
        """Return the rows of a machine and id; None: of all."""
        return [r for r in self.rows if machine in (None, r.machine) and id_ in (None, r.id)]


def compare(first: Run, second: Run) -> list[Difference]:
    """Compare the members and systems that two runs have in common, by name, machine and id.

    Differences are paired: both runs see the same resamples of the clips. Domains are not separated, and means are
    arithmetic, over ids, then over machines.

    Parameters
    ----------
    first, second
        Finished runs.

    Raises
    ------
    DataError
        If they have no name or machine in common; if their labelled test clips differ or none are labelled; or if the
        figures of one do not match its scores.
    """
    machines, names = _common(first, second)
    if not machines or not names:
        what = "machine" if not machines else "member or system"
        hint = f"The first has {_available(first, what)}.\nThe second has {_available(second, what)}."
        raise DataError(f"the runs have no {what} in common", hint=hint)
    _require_same_clips(first, second, machines)
    rows = []
    for name in names:
        rows += _differences(first, second, name, machines)
    if not rows:
        reasons = not_compared(first, second) or ["no id has labelled test clips of both classes"]
        raise DataError("there is no AUC to compare", hint="\n".join(reasons))
    return rows


def not_compared(first: Run, second: Run) -> list[str]:
    """List what only one of the runs has, a line each."""
    machines, names = _common(first, second)
    lines = []
    for which, run, other in (("first", first, second), ("second", second, first)):
        only = sorted(run.tables.keys() - other.tables.keys())
        lines += [f"machines of the {which} only: {', '.join(only)}"] if only else []
        only = [n for n in (*run.members, *run.systems) if n not in {*other.members, *other.systems}]
        lines += [f"members and systems of the {which} only: {', '.join(only)}"] if only else []
        for name in names:
            without = [m for m in machines if name not in run.tables[m].columns]
            lines += [f"{name}: the {which} has no scores of {', '.join(without)}"] if without else []
    return [printable(line) for line in lines]


def _common(first: Run, second: Run) -> tuple[list[str], list[str]]:
    """Return the machines, and the names of members and systems, that both runs have."""
    machines = sorted(first.tables.keys() & second.tables.keys())
    return machines, [n for n in (*first.members, *first.systems) if n in {*second.members, *second.systems}]


def _available(run: Run, what: str) -> str:
    names = sorted(run.tables) if what == "machine" else [*run.members, *run.systems]
    return ", ".join(map(printable, names)) or "none"


def _require_same_clips(first: Run, second: Run, machines: Sequence[str]) -> None:
    """Raise an error if the labelled test clips of two runs, their ids or their labels differ."""
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


def _truth(machine: str, table: ScoreTable) -> list[LabelledClip]:
    rows = zip(table.clips, table.ids, table.splits, table.labels, strict=True)
    return [LabelledClip(clip, machine, id_, x) for clip, id_, split, x in rows if split == "test" and x is not None]


def _differences(first: Run, second: Run, name: str, machines: Sequence[str]) -> list[Difference]:
    """Return the differences of one name: of each id, of each machine, and of all machines."""
    kind = "system" if name in first.systems else "member"
    scored = [m for m in machines if all(name in run.tables[m].columns for run in (first, second))]
    one, other = (_evaluated(run, name, kind, scored) for run in (first, second))
    rows = []
    for machine in scored:
        ids = sorted({r.id for r in one.only(machine, None)})
        rows += [_difference(one, other, name, kind, machine, id_) for id_ in ids]
        if len(ids) > 1:
            rows.append(_difference(one, other, name, kind, machine, None))
    if len({r.machine for r in one.rows}) > 1:
        rows.append(_difference(one, other, name, kind, None, None))
    return rows


def _evaluated(run: Run, name: str, kind: str, machines: Sequence[str]) -> _Evaluated:
    truth = [clip for m in machines for clip in _truth(m, run.tables[m])]
    scores = {
        clip: float(score)
        for table in (run.tables[m] for m in machines)
        for clip, score in zip(table.clips, table.columns[name], strict=True)
    }
    rows = [r for r in evaluate(truth, scores, name=name, kind=kind) if r.auc is not None]
    _require_figures_of_scores(run, rows)
    return _Evaluated(Bootstrap(truth, scores), rows)


def _require_figures_of_scores(run: Run, rows: Sequence[IdResult]) -> None:
    """Raise an error if the figures of ``results.json`` are not those of ``scores.csv``."""
    written = {(r.name, r.machine, r.id): r.auc for r in run.results if r.domain is None}
    for row in rows:
        auc = written.get((row.name, row.machine, row.id), row.auc)
        if auc is None or row.auc is None or abs(auc - row.auc) > _ROUNDING:
            raise DataError(
                f"{printable(str(run.folder))}: results.json does not have the AUC that scores.csv gives {row.name} on "
                f"{row.machine} id {row.id}",
                hint="One of them was changed. `asdkit run SPEC` writes both again; finished jobs are kept.",
            )


def _difference(
    one: _Evaluated, other: _Evaluated, name: str, kind: str, machine: str | None, id_: str | None
) -> Difference:
    rows, other_rows = one.only(machine, id_), other.only(machine, id_)
    intervals = difference((other.bootstrap, other_rows), (one.bootstrap, rows))
    assert intervals is not None  # each row has both figures
    (auc, pauc), (other_auc, other_pauc) = _means(rows), _means(other_rows)
    unreliable = id_ is not None and all(is_unreliable(row) for row in (*rows, *other_rows))
    return Difference(
        name, kind, machine, id_, (auc, other_auc), (pauc, other_pauc), intervals[0], intervals[1], unreliable
    )


def _means(rows: Sequence[IdResult]) -> tuple[float, float]:
    """Return AUC and pAUC, averaged as the bootstrap averages them."""
    averages = DCASE2020.average(rows, lambda r: float(r.auc or 0), lambda r: float(r.pauc or 0))
    assert averages is not None
    return averages[0], averages[1]
