"""The clips that a report explains, and their explanation: heat map, score over time, nearest healthy excerpt."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkit.audio import Decoded, Wave
from asdkit.bundle import Bundle, Verdict, WindowScores
from asdkit.bundle.explain_system import explain_clip
from asdkit.data import LAYOUTS
from asdkit.errors import AsdkitError, BadAudio, DataError
from asdkit.explain import Explanation, Grid, NearestExcerpts
from asdkit.features import Features, FloatArray
from asdkit.interfaces import Featurizer
from asdkit.report.rankings import RankedClip, rank_clips
from asdkit.report.run_data import Run
from asdkit.run.score_table import ScoreTable
from asdkit.run.store import RunPaths, read_job
from asdkit.text import error_line

DoubleArray = npt.NDArray[np.float64]

MAX_EXPLAINED = 12
"""Clips on a page; each takes about 150 kB."""

BUDGET = 5.0
"""Seconds for all heat maps of a page; the first is made in any case."""

GRID = Grid()
_PER_MACHINE = 3  # explained clips
_TRAINING_CLIPS = 32  # of an id, in which the nearest excerpt is searched
_EXCERPT = 1.0  # s around the worst time


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
class NearestHealthy:
    """The training excerpt nearest to the worst excerpt of a clip.

    Attributes
    ----------
    worst_frames, frames
        Frames [float32, ``[rows, bands]``] of the worst excerpt, and of the nearest one in the training clip `clip`.
    worst_start, start
        Start [s] of either within its clip.
    distance
        In standard deviations of each band, root mean square.
    """

    worst_frames: FloatArray
    frames: FloatArray
    clip: str
    worst_start: float
    start: float
    distance: float


@dataclass(frozen=True)
class ExplainedClip:
    """A chosen clip and the explanation of its score.

    Attributes
    ----------
    frames
        By the first member's featurizer [float32, ``[rows, bands]``].
    frequencies
        Of its bands [float64, ``[bands]``, Hz]; None if the featurizer does not give them.
    heat
        [float64, ``[times, bands]``] None without a heat map; `remark` gives the reason.
    score_over_time
        Of the system; None if all members score whole clips.
    p_value, supported_rate
        None without held-out clips. A p-value at or below the supported rate is extrapolated.
    worst
        Time [s] at which the clip is most anomalous, as `asdkit score` gives it. Where members score whole clips, that
        of the hottest cell; without one, the middle.
    wave
        At `sample_rate`.
    """

    chosen: ChosenClip
    frames: FloatArray
    frequencies: DoubleArray | None
    seconds_per_frame: float
    heat: DoubleArray | None
    remark: str
    score_over_time: WindowScores | None
    worst: float
    nearest: NearestHealthy | None
    p_value: float | None
    supported_rate: float | None
    wave: Wave
    sample_rate: int

    @property
    def worst_frequency(self) -> float | None:
        """Frequency [Hz] of the hottest cell; None without heat or frequencies."""
        if self.heat is None or not self.heat.max() > 0 or self.frequencies is None:
            return None
        cell = int(self.heat.max(axis=0).argmax())
        bands = len(self.frequencies)
        return float(np.interp((cell + 0.5) / self.heat.shape[1] * bands, np.arange(bands) + 0.5, self.frequencies))


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


def frequencies_of(featurizer: Featurizer, sample_rate: int) -> DoubleArray | None:
    """Return the middle of each band [float64, ``[bands]``, Hz]; None if a featurizer gives none or invalid ones."""
    method = getattr(featurizer, "frequencies", None)
    if method is None:
        return None
    try:
        frequencies = np.asarray(method(sample_rate), dtype=np.float64)
    except Exception:  # a plugin may raise anything; the spectrogram then has no frequencies
        return None
    if frequencies.shape != (featurizer.bands,) or not np.isfinite(frequencies).all():
        return None
    return frequencies if (np.diff(frequencies) > 0).all() else None


class _Explainer:
    """Explains clips of one machine by one system."""

    def __init__(self, run: Run, machine: str, name: str) -> None:
        self._table: ScoreTable = run.tables[machine]
        self._root = LAYOUTS[run.settings.data.layout].root(Path(run.settings.data.root))
        self._bundle = Bundle.of_run(run.folder, name, machine)
        detector = run.settings.machines[machine][self._bundle.members[0].name]
        job = read_job(RunPaths(run.folder).job(detector.job))
        self._digests: dict[str, str] = {clip.name: clip.sha256 for clip in job.clips}
        self._nearest: dict[str, tuple[list[str], list[NearestExcerpts]]] = {}

    def explain(self, chosen: ChosenClip, budget: _TimeBudget) -> ExplainedClip:
        """Explain one clip."""
        bundle, id_ = self._bundle, chosen.ranked.id
        if id_ not in bundle.ids:
            raise DataError(f"its id {id_} has no training clips to compare it with")
        decoded = self._read(chosen.ranked.clip)
        wave = decoded.wave
        features = bundle.featurise([wave])
        (verdict,) = bundle.judge_features(features, [id_])
        training_clips, nearest = self._nearest_excerpts(id_)
        explanation, remark = self._heat_map(features, id_, nearest, chosen, budget)
        first = bundle.members[0].featurizer
        frames, per_frame = features[first].frames, bundle.seconds_per_frame(first)
        over_time = None if verdict.worst_seconds is None else bundle.over_time(list(verdict.windows.values()), id_)
        worst = _worst_time(verdict.worst_seconds, explanation, len(frames), per_frame)
        return ExplainedClip(
            chosen=chosen,
            frames=frames,
            frequencies=frequencies_of(bundle.featurizers[first], bundle.sample_rate),
            seconds_per_frame=per_frame,
            heat=None if explanation is None else explanation.heat,
            remark=f"Undecided: {decoded.silence}." if decoded.silence else remark,
            score_over_time=over_time,
            worst=worst,
            nearest=_nearest_healthy(frames, nearest[first], training_clips, chosen.ranked.clip, worst, per_frame),
            p_value=None if chosen.trained_on or decoded.silence else self._p_value(chosen.ranked, verdict),
            supported_rate=verdict.supported_rate,
            wave=wave,
            sample_rate=bundle.sample_rate,
        )

    def _p_value(self, ranked: RankedClip, verdict: Verdict) -> float | None:
        """Return the p-value of a verdict; that of a clip held out is of its calibration score."""
        calibration = self._bundle.calibrator.scores.get(ranked.id)
        held_out = self._table.splits[self._table.clips.index(ranked.clip)] == "held"
        return calibration.p_value(ranked.score) if held_out and calibration else verdict.p_value

    def _heat_map(
        self,
        features: Sequence[Features],
        id_: str,
        nearest: Sequence[NearestExcerpts],
        chosen: ChosenClip,
        budget: _TimeBudget,
    ) -> tuple[Explanation | None, str]:
        """Return the heat map and a remark on it, or None and the reason."""
        if chosen.trained_on:
            return None, "No heat map: the detectors were trained on this clip, so its score says little."
        if not budget.allows_another():
            return None, f"No heat map: those of this page may take {BUDGET:.0f} s in all."
        begin = time.perf_counter()
        explanation = explain_clip(self._bundle, features, id_, nearest, GRID)
        budget.add(time.perf_counter() - begin)
        return explanation, "" if _has_heat(
            explanation
        ) else "The heat map is empty: no replaced part lowers the score."

    def _read(self, name: str) -> Decoded:
        """Read a recording, if it is the one that was scored."""
        path = self._root / name
        if not path.exists():
            raise DataError(f"the recording is no longer at {path}")
        decoded = self._bundle.decode(path)
        if hashlib.sha256(decoded.wave.data).hexdigest() != self._digests.get(name):
            raise DataError("the recording has changed since it was scored")
        return decoded

    def _nearest_excerpts(self, id_: str) -> tuple[list[str], list[NearestExcerpts]]:
        """Return names of evenly spaced training clips of an id, and the search in them for each featurizer."""
        if id_ not in self._nearest:
            every = [n for n, w in zip(self._table.clips, self._table.where(id_, "train"), strict=True) if w]
            chosen = np.unique(np.linspace(0, len(every) - 1, _TRAINING_CLIPS).round().astype(int))
            names = [every[i] for i in chosen]
            features = self._bundle.featurise([self._read(name).wave for name in names])
            self._nearest[id_] = names, [NearestExcerpts(each) for each in features]
        return self._nearest[id_]


class _TimeBudget:
    """Time for heat maps: the first is always allowed, another if it is expected to end within `BUDGET`."""

    def __init__(self) -> None:
        self._used = self._longest = 0.0

    def allows_another(self) -> bool:
        return self._used == 0 or self._used + self._longest <= BUDGET

    def add(self, seconds: float) -> None:
        self._used += seconds
        self._longest = max(self._longest, seconds)


def _has_heat(explanation: Explanation) -> bool:
    return bool(explanation.heat.max() > 0)


def _worst_time(worst: float | None, explanation: Explanation | None, rows: int, per_frame: float) -> float:
    """Return the time [s] that the verdict names; if it names none, that of the hottest cell, else the middle."""
    if worst is not None:
        return worst
    if explanation is not None and _has_heat(explanation):
        return float((explanation.hottest[0] + 0.5) / explanation.heat.shape[0] * rows * per_frame)
    return rows / 2 * per_frame


def _nearest_healthy(
    frames: FloatArray,
    search: NearestExcerpts,
    training_clips: Sequence[str],
    clip: str,
    worst: float,
    per_frame: float,
) -> NearestHealthy | None:
    """Find the excerpt of the other training clips that is nearest to the frames around the worst time."""
    rows = min(len(frames), search.longest, max(1, round(_EXCERPT / per_frame)))
    first = min(max(0, round(worst / per_frame) - rows // 2), len(frames) - rows)
    worst_frames = frames[first : first + rows]
    exclude = training_clips.index(clip) if clip in training_clips else None
    try:
        excerpt = search.nearest(worst_frames, exclude=exclude)
    except ValueError:
        return None  # the only training clip is this one
    nearest = search.frames_of(excerpt, rows)
    name, start = training_clips[excerpt.clip], excerpt.row * per_frame
    return NearestHealthy(worst_frames, nearest, name, first * per_frame, start, excerpt.distance)


def _reason(error: Exception) -> str:
    if isinstance(error, BadAudio):
        return f"the recording cannot be read ({error.reason})"
    return error.message if isinstance(error, AsdkitError) else error_line(error)
