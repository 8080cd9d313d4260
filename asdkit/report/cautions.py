"""Where the threshold of each id lies, and what the clips held out can support.

What a reader must know before trusting the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asdkit.bundle import CalibrationScores, Calibrator
from asdkit.bundle.calibration import percent
from asdkit.metrics import partial_means
from asdkit.report.run_data import Run


@dataclass(frozen=True)
class Threshold:
    """The threshold of one id.

    Attributes
    ----------
    held_out
        Clips that no detector learnt from.
    score
        A clip that scores above it is called anomalous; None where the clips held out cannot tell.
    supported_rate
        Least false-alarm rate that they can promise; None without such clips.
    shortfall
        What they cannot support; empty where they can.
    above
        Labelled test clips above the threshold and of how many: normal ones, anomalous ones.
    """

    id: str
    held_out: int
    score: float | None
    supported_rate: float | None
    shortfall: str
    above: tuple[tuple[int, int], tuple[int, int]]


def thresholds(run: Run, machine: str, name: str) -> list[Threshold]:
    """Find the threshold of each id for one name's scores; test labels only count what lies above it.

    Parameters
    ----------
    run
        The run; its `Run.rule` says what is asked.
    machine
        One of its machines.
    name
        A member or system that has scores of the machine.
    """
    table = run.tables[machine]
    references = {id_: CalibrationScores(scores) for id_, scores in table.references.get(name, {}).items()}
    judge = Calibrator(references, run.rule)
    found = []
    for id_ in run.ids(machine):
        reference = references.get(id_)
        limit = None if reference is None else _limit(reference, judge, id_)
        above = []
        for label in (0, 1):
            scores = table.columns[name][table.where(id_, "test", label)]
            above.append((int((scores > limit).sum()) if limit is not None else 0, len(scores)))
        found.append(
            Threshold(
                id=id_,
                held_out=0 if reference is None else len(reference.scores),
                score=limit,
                supported_rate=None if reference is None else reference.supported_rate,
                shortfall="" if run.rule.threshold == "gamma" and limit is not None else judge.shortfall(id_),
                above=(above[0], above[1]),
            )
        )
    return found


def _limit(reference: CalibrationScores, judge: Calibrator, id_: str) -> float | None:
    """The highest score that is still called normal."""
    rate = judge.rule.false_alarm_rate
    if judge.rule.threshold == "gamma":
        return reference.gamma_threshold(rate)
    if not judge.supports(id_):
        return None
    # p = (1 + clips at or above the score) / (n + 1) must not exceed the rate
    at_most = int(np.floor(rate * (len(reference.scores) + 1) * (1 + 1e-12))) - 1
    return float(reference.scores[len(reference.scores) - 1 - at_most])


_LINES = 30  # of one caution on the page
_IDS = 12  # of a machine that a line names


@dataclass(frozen=True)
class Caution:
    """One kind of thing to know.

    Attributes
    ----------
    serious
        Something is missing from the results, rather than uncertain.
    lines
        What and where, `_LINES` at most.
    more
        How many further lines there are.
    """

    title: str
    serious: bool
    lines: list[str]
    more: int = 0


def cautions(run: Run, left_out: Sequence[str] = ()) -> list[Caution]:
    """List all there is to say, most serious first.

    Parameters
    ----------
    run
        The run.
    left_out
        What the page itself does not show.
    """
    kinds = [
        ("Failed jobs", True, [f"{title}: {why}" for title, why in run.failed.items()]),
        ("Recordings left out", True, [f"{s.name}: {s.reason}" for s in run.skipped]),
        ("Means that do not compare", True, _partial_means(run)),
        ("Worse than chance", True, _worse_than_chance(run)),
        ("Few test clips", False, _few_test_clips(run)),
        ("Few training clips", False, _few_training_clips(run)),
        ("Thresholds that cannot be supported", False, _unsupported(run)),
        ("Ties between normal clips and anomalies", False, _ties(run)),
        ("Notes of the run", False, run.notes),
        ("Not on this page", False, list(left_out)),
    ]
    return [
        Caution(title, serious, lines[:_LINES], max(0, len(lines) - _LINES)) for title, serious, lines in kinds if lines
    ]


def _partial_means(run: Run) -> list[str]:
    return [f"{m.name}: its mean is over {m.of} of {most} machines" for m, most in partial_means(run.means)]


def _worse_than_chance(run: Run) -> list[str]:
    low = [asdict(r) for r in run.results if r.auc is not None and r.auc < 0.5]
    return _alike(low, lambda r: f"{r['name']}: its AUC is below 50 %")


def _few_test_clips(run: Run) -> list[str]:
    def said(row: dict[str, Any]) -> str:
        normal, anomaly = row["n_normal"], row["n_anomaly"]
        on = f"the {-(-normal // 10)} highest-scored normal clips" if normal > 10 else "the highest-scored normal clip"
        return (
            f"{normal} normal and {anomaly} anomalous: one clip moves the AUC by up to "
            f"{100 / min(normal, anomaly):.1f} points, and the pAUC hangs on {on}"
        )

    few = [asdict(r) for r in run.results if r.auc is not None and min(r.n_normal, r.n_anomaly) < 100]
    return _alike(few, said)


def _few_training_clips(run: Run) -> list[str]:
    counts: list[dict[str, Any]] = [
        {"machine": m, "id": i, "n": table.count(i, "train") + table.count(i, "held"), "held": table.count(i, "held")}
        for m, table in run.tables.items()
        for i in sorted(set(table.ids))
    ]

    def said(row: dict[str, Any]) -> str:
        n = row["n"]
        if n == 0:
            return "no training clips: their ids are unknown to the detectors"
        clips = f"{n} training {'clips' if n > 1 else 'clip'}"
        if row["held"]:
            held = row["held"]
            return f"{clips}, {held} held out: no false-alarm rate below 1 in {held + 1} can be promised"
        return f"{clips}, none held out: no false-alarm rate can be promised (at best one of 1 in {n + 1})"

    return _alike([c for c in counts if c["n"] < 99], said)


def _unsupported(run: Run) -> list[str]:
    rows = [
        {"machine": machine, "id": found.id, "held": found.held_out, "rate": found.supported_rate}
        for machine, table in run.tables.items()
        for name in run.drawn(machine)[:1]  # what is held out is the same for every name
        for found in thresholds(run, machine, name)
        if found.shortfall and found.supported_rate is not None and name in table.references
    ]
    asked = percent(run.rule.false_alarm_rate)
    return _alike(rows, lambda r: f"{r['held']} held out support {percent(r['rate'])} and more; {asked} was asked")


def _ties(run: Run) -> list[str]:
    lines = []
    for machine, table in run.tables.items():
        for name, scores in table.columns.items():
            for id_ in sorted(set(table.ids)):
                normal = scores[table.where(id_, "test", 0)]
                anomaly = np.sort(scores[table.where(id_, "test", 1)])
                tied = int((np.searchsorted(anomaly, normal, "right") - np.searchsorted(anomaly, normal, "left")).sum())
                if tied:
                    pairs = len(normal) * len(anomaly)
                    lines.append(f"{name} on {machine} id {id_}: {tied} of {pairs} pairs; each counts one half")
    return lines


def _alike(rows: Iterable[dict[str, Any]], said: Callable[[dict[str, Any]], str]) -> list[str]:
    """Say each thing once, with all the machines and ids that it is true of."""
    places: dict[str, dict[str, dict[str, None]]] = {}
    for row in rows:
        id_ = row["id"] if row.get("domain") is None else f"{row['id']} ({row['domain']})"
        places.setdefault(said(row), {}).setdefault(row["machine"], {})[id_] = None
    return [f"{what} ({named({m: list(ids) for m, ids in found.items()})})" for what, found in places.items()]


def named(ids: Mapping[str, Sequence[str]]) -> str:
    """Name the ids of each machine, the first of many alone."""

    def some(its: Sequence[str]) -> str:
        more = f" and {len(its) - _IDS} more" if len(its) > _IDS else ""
        return f"{', '.join(its[:_IDS])}{more}"

    return "; ".join(f"{machine} id {some(its)}" for machine, its in ids.items())
