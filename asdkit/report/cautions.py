"""Cautions about a run's figures, and the threshold of each id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asdkit.bundle import CalibrationScores, Calibrator
from asdkit.bundle.calibration import percent
from asdkit.metrics import IdResult, partial_means
from asdkit.report.run_data import Run
from asdkit.run.notes import no_weight_notes
from asdkit.text import plural

_MAX_LINES = 30  # of one caution
_MAX_IDS = 12  # of a machine in one line
_ENOUGH_TEST_CLIPS = 100  # of a class: one clip then moves the AUC by at most a point
_ENOUGH_TRAINING_CLIPS = 99  # of an id: held out, they would support a false-alarm rate of 1 %
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Caution:
    """One kind of caution.

    Attributes
    ----------
    serious
        Whether results are missing or not comparable, rather than uncertain.
    lines
        At most `_MAX_LINES`.
    more
        Number of further lines.
    """

    title: str
    serious: bool
    lines: list[str]
    more: int = 0


def cautions(run: Run, left_out: Sequence[str] = ()) -> list[Caution]:
    """List all cautions about a run, the most serious first.

    Parameters
    ----------
    run
        The run.
    left_out
        What the page does not show.
    """
    kinds = [
        ("Failed jobs", True, [f"{title}: {why}" for title, why in run.failed.items()]),
        ("Recordings left out", True, [f"{s.path}: {s.reason}" for s in run.skipped]),
        ("Means that are not comparable", True, _partial_means(run)),
        ("Worse than chance", True, _worse_than_chance(run)),
        ("Members without weight", False, _no_weight(run)),
        ("Few test clips", False, _few_test_clips(run)),
        ("Few training clips", False, _few_training_clips(run)),
        ("Unsupported thresholds", False, _unsupported(run)),
        ("Ties between normal clips and anomalies", False, _ties(run)),
        ("Notes of the run", False, [note for note in run.notes if note not in _no_weight(run)]),
        ("Not on this page", False, list(left_out)),
    ]
    return [
        Caution(title, serious, lines[:_MAX_LINES], max(0, len(lines) - _MAX_LINES))
        for title, serious, lines in kinds
        if lines
    ]


def _partial_means(run: Run) -> list[str]:
    return [f"{m.name}: its mean is over {m.of} of {most} machines" for m, most in partial_means(run.means)]


def _worse_than_chance(run: Run) -> list[str]:
    low = [r for r in run.results if r.auc is not None and r.auc < 0.5]
    return _with_ids((f"{r.name}: its AUC is below 50 %", r.machine, _id_and_domain(r)) for r in low)


def _no_weight(run: Run) -> list[str]:
    systems = {name: system.members for name, system in run.systems.items()}
    by_machine = run.record.no_weight
    return [note for machine, why in by_machine.items() for note in no_weight_notes(machine, systems, why)]


def _few_test_clips(run: Run) -> list[str]:
    few = [r for r in run.results if r.auc is not None and min(r.n_normal, r.n_anomaly) < _ENOUGH_TEST_CLIPS]
    return _with_ids((_one_clip_counts(r.n_normal, r.n_anomaly), r.machine, _id_and_domain(r)) for r in few)


def _one_clip_counts(normal: int, anomaly: int) -> str:
    tenth = -(-normal // 10)
    top = f"the {tenth} highest-scored normal clips" if normal > 10 else "the highest-scored normal clip"
    return (
        f"{normal} normal and {anomaly} anomalous: one clip moves the AUC by up to "
        f"{100 / min(normal, anomaly):.1f} points, and the pAUC depends on {top}"
    )


def _few_training_clips(run: Run) -> list[str]:
    rows = []
    for machine, table in run.tables.items():
        for id_ in run.ids(machine):
            held = table.count(id_, "held")
            count = table.count(id_, "train") + held
            if count < _ENOUGH_TRAINING_CLIPS:
                rows.append((_guarantee(count, held), machine, id_))
    return _with_ids(rows)


def _guarantee(count: int, held: int) -> str:
    if count == 0:
        return "no training clips: their ids are unknown to the detectors"
    clips = plural(count, "training clip")
    if held:
        return f"{clips}, {held} held out: no false-alarm rate below 1 in {held + 1} can be guaranteed"
    return f"{clips}, none held out: no false-alarm rate can be guaranteed (at best one of 1 in {count + 1})"


def _unsupported(run: Run) -> list[str]:
    asked = percent(run.rule.false_alarm_rate)
    return _with_ids(
        (
            f"{threshold.held_out} held out: false-alarm rates of {percent(threshold.supported_rate)} or more are "
            f"supported; {asked} was requested",
            machine,
            threshold.id,
        )
        for machine, table in run.tables.items()
        for name in run.drawn(machine)[:1]  # the same clips are held out for every name
        for threshold in thresholds(run, machine, name)
        if threshold.shortfall and threshold.supported_rate is not None and name in table.references
    )


def _ties(run: Run) -> list[str]:
    lines = []
    for machine, table in run.tables.items():
        for name, scores in table.columns.items():
            for id_ in run.ids(machine):
                normal = scores[table.where(id_, "test", 0)]
                anomaly = np.sort(scores[table.where(id_, "test", 1)])
                tied = int((np.searchsorted(anomaly, normal, "right") - np.searchsorted(anomaly, normal, "left")).sum())
                if tied:
                    pairs = len(normal) * len(anomaly)
                    lines.append(f"{name} on {machine} id {id_}: {tied} of {pairs} pairs; each counts one half")
    return lines


def _id_and_domain(result: IdResult) -> str:
    return result.id if result.domain is None else f"{result.id} ({result.domain})"


def _with_ids(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return one line for each text, with all machines and ids to which it applies; a row is text, machine and id."""
    by_text: dict[str, dict[str, dict[str, None]]] = {}
    for text, machine, id_ in rows:
        by_text.setdefault(text, {}).setdefault(machine, {})[id_] = None
    return [
        f"{text} ({list_ids({machine: list(ids) for machine, ids in by_machine.items()})})"
        for text, by_machine in by_text.items()
    ]


def list_ids(by_machine: Mapping[str, Sequence[str]]) -> str:
    """List the ids of each machine, at most `_MAX_IDS` of each by name."""

    def first(ids: Sequence[str]) -> str:
        more = f" and {len(ids) - _MAX_IDS} more" if len(ids) > _MAX_IDS else ""
        return f"{', '.join(ids[:_MAX_IDS])}{more}"

    return "; ".join(f"{machine} id {first(ids)}" for machine, ids in by_machine.items())


@dataclass(frozen=True)
class Threshold:
    """The threshold of one id.

    Attributes
    ----------
    held_out
        Number of clips that no detector was trained on.
    score
        A clip that scores higher is called anomalous; None if the held-out clips do not support the rate.
    supported_rate
        Lowest false-alarm rate that they guarantee; None without such clips.
    shortfall
        What they do not support; empty if they support the rate.
    above
        Of the normal and of the anomalous labelled test clips: number above the threshold, and number of all.
    """

    id: str
    held_out: int
    score: float | None
    supported_rate: float | None
    shortfall: str
    above: tuple[tuple[int, int], tuple[int, int]]


def thresholds(run: Run, machine: str, name: str) -> list[Threshold]:
    """Compute the threshold of each id for the scores of a member or system.

    Thresholds follow from held-out clips. Test labels are used only to count the clips above a threshold.

    Parameters
    ----------
    run
        The run, with its `Run.rule`.
    machine
        One of its machines.
    name
        A member or system with scores of the machine.
    """
    table = run.tables[machine]
    calibration = {id_: CalibrationScores(scores) for id_, scores in table.references.get(name, {}).items()}
    calibrator = Calibrator(calibration, run.rule)
    rows = []
    for id_ in run.ids(machine):
        own = calibration.get(id_)
        limit = calibrator.highest_normal(id_)
        test_scores = [table.columns[name][table.where(id_, "test", label)] for label in (0, 1)]
        above = [(0 if limit is None else int((scores > limit).sum()), len(scores)) for scores in test_scores]
        rows.append(
            Threshold(
                id=id_,
                held_out=0 if own is None else len(own.scores),
                score=limit,
                supported_rate=None if own is None else own.supported_rate,
                shortfall="" if run.rule.threshold == "gamma" and limit is not None else calibrator.shortfall(id_),
                above=(above[0], above[1]),
            )
        )
    return rows
