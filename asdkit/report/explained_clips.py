"""The clips that a report explains, and their explanation: heat map, score over time, nearest healthy excerpt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from asdkit.bundle import Bundle, Verdict
from asdkit.bundle.explained import Explained
from asdkit.bundle.healthy import read_unchanged
from asdkit.data.scan import layout_root
from asdkit.errors import AsdkitError, DataError
from asdkit.report.rankings import RankedClip, rank_clips
from asdkit.report.run_data import Run
from asdkit.run.score_table import ScoreTable
from asdkit.run.store import RunPaths, read_job
from asdkit.text import error_line

MAX_EXPLAINED = 12
"""Clips on a page; each takes about 150 kB."""

BUDGET = 5.0
"""Seconds for all heat maps of a page; the first is made in any case."""

_PER_MACHINE = 3  # explained clips


@dataclass(frozen=True)
class ChosenClip:
    """A clip to explain.

    Attributes
    ----------
    name
        The first system, or member if there is no system: its score is explained.
    reason
        Why the clip is chosen.
    trained_on
        Whether detectors were trained on it: then its score is low, and it has no heat map.
    """

    machine: str
    name: str
    ranked: RankedClip
    reason: str
    trained_on: bool = False


@dataclass(frozen=True)
class ExplainedClip:
    """A chosen clip and the explanation of its score.

    `p_value` and `supported_rate` are None without held-out clips. A p-value at or below the supported rate is
    extrapolated. That of a clip held out is of its calibration score.
    """

    chosen: ChosenClip
    explained: Explained
    p_value: float | None

    @property
    def supported_rate(self) -> float | None:
        """Lowest false-alarm rate that the clips held out support."""
        return self.explained.verdict.supported_rate


def explain_clips(run: Run) -> tuple[list[ExplainedClip], list[str]]:
    """Explain the clips that `choose_clips` returns.

    Parameters
    ----------
    run
        The run; its jobs and recordings are needed.

    Returns
    -------
    explained, left_out
        Explained clips, and a line for each reason why others are not explained.
    """
    explained: list[ExplainedClip] = []
    left_out: dict[str, None] = {}
    budget = _TimeBudget()
    explainers: dict[str, _Explainer | str] = {}
    for chosen in choose_clips(run):
        if chosen.machine not in explainers:
            try:
                explainers[chosen.machine] = _Explainer(run, chosen.machine, chosen.name)
            except Exception as error:  # a plugin may raise anything; the rest of the page is kept
                explainers[chosen.machine] = _reason(error)
        explainer = explainers[chosen.machine]
        if isinstance(explainer, str):
            left_out[f"worst clips of {chosen.machine}: {explainer}"] = None
            continue
        try:
            explained.append(explainer.explain(chosen, budget))
        except Exception as error:
            left_out[f"{chosen.ranked.clip}: {_reason(error)}"] = None
    return explained, list(left_out)


def choose_clips(run: Run) -> list[ChosenClip]:
    """Choose the clips to explain: as many of each machine as far as possible, the most important of each first."""
    machines = [m for m in sorted(run.tables) if run.drawn(m)]
    by_machine = [_clips_of_machine(run, machine)[:_PER_MACHINE] for machine in machines]
    turns = [clips[turn] for turn in range(_PER_MACHINE) for clips in by_machine if turn < len(clips)]
    return sorted(turns[:MAX_EXPLAINED], key=lambda c: machines.index(c.machine))


def _clips_of_machine(run: Run, machine: str) -> list[ChosenClip]:
    name = run.drawn(machine)[0]
    table = run.tables[machine]
    anomalous, unlabelled, normal = (rank_clips(table, name, "test", label) for label in (1, None, 0))
    held_out, trained_on = (rank_clips(table, name, split, 0) for split in ("held", "train"))
    clips = [
        *((ranked, "anomalous, with the highest score") for ranked in anomalous[:1]),
        *((ranked, "without a label, with the highest score") for ranked in unlabelled[:1]),
        *((ranked, "normal, with the highest score: the first false alarm") for ranked in normal[:1]),
        *((ranked, "healthy, held out, with the highest score") for ranked in held_out[:2]),
    ]
    if clips:
        return [ChosenClip(machine, name, ranked, reason) for ranked, reason in clips]
    return [
        ChosenClip(machine, name, ranked, "healthy, used in training, with the highest score", True)
        for ranked in trained_on
    ]


class _Explainer:
    """Explains clips of one machine by one system."""

    def __init__(self, run: Run, machine: str, name: str) -> None:
        self._table: ScoreTable = run.tables[machine]
        data = run.settings.data
        self._root = layout_root(data.layout, data.layout_options, Path(data.root))
        self._bundle = Bundle.of_run(run.folder, name, machine)
        detector = run.settings.machines[machine][self._bundle.members[0].name]
        job = read_job(RunPaths(run.folder).job(detector.job))
        self._records = {clip.name: clip for clip in job.clips}

    def explain(self, chosen: ChosenClip, budget: _TimeBudget) -> ExplainedClip:
        """Explain one clip."""
        id_ = chosen.ranked.id
        if id_ not in self._bundle.ids:
            raise DataError(f"its id {id_} has no training clips to compare it with")
        decoded = read_unchanged(self._bundle, self._root, self._records[chosen.ranked.clip])
        self._bundle.explainer.reference(id_)
        no_heat = ""
        if chosen.trained_on:
            no_heat = "No heat map: the detectors were trained on this clip, so its score says little."
        elif not budget.allows_another():
            no_heat = f"No heat map: those of this page may take {BUDGET:.0f} s in all."
        begin = time.perf_counter()
        explained = self._bundle.explainer.explain(
            decoded.wave, id_, name=chosen.ranked.clip, silence=decoded.silence, no_heat=no_heat
        )
        if not no_heat:
            budget.add(time.perf_counter() - begin)
        undecided = chosen.trained_on or decoded.silence
        return ExplainedClip(chosen, explained, None if undecided else self._p_value(chosen.ranked, explained.verdict))

    def _p_value(self, ranked: RankedClip, verdict: Verdict) -> float | None:
        """Return the p-value of a verdict; that of a clip held out is of its calibration score."""
        calibration = self._bundle.calibrator.scores.get(ranked.id)
        held_out = self._table.splits[self._table.clips.index(ranked.clip)] == "held"
        return calibration.p_value(ranked.score) if held_out and calibration else verdict.p_value


class _TimeBudget:
    """Time for heat maps: the first is always allowed, another if it is expected to end within `BUDGET`."""

    def __init__(self) -> None:
        self._used = self._longest = 0.0

    def allows_another(self) -> bool:
        return self._used == 0 or self._used + self._longest <= BUDGET

    def add(self, seconds: float) -> None:
        self._used += seconds
        self._longest = max(self._longest, seconds)


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, AsdkitError) else error_line(error)
