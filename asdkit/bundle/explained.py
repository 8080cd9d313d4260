"""Why a clip has its score: heat map, worst time, nearest healthy excerpt, share of each member, place among others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asdkit.audio import Wave
from asdkit.bundle.explain_system import explain_clip
from asdkit.bundle.healthy import HealthyClip
from asdkit.bundle.result import Verdict, WindowScores
from asdkit.bundle.system import TrainedSystem
from asdkit.drawing.clip import NearestHealthy
from asdkit.errors import AsdkitError, DataError
from asdkit.explain import Explanation, Grid, NearestExcerpts
from asdkit.explain.findings import LEAST_CLIPS, Finding, HealthySound
from asdkit.explain.sound import Sound, measure
from asdkit.features import Features, FloatArray
from asdkit.interfaces import Featurizer

DoubleArray = npt.NDArray[np.float64]

GRID = Grid()
_EXCERPT = 1.0  # s around the worst time
NO_HEAT = "The heat map is empty: no replaced part lowers the score."


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A clip and the explanation of its score.

    Attributes
    ----------
    name
        Of the clip: its path, where it is a file.
    verdict
        As `asdkit score` gives it.
    frames
        By the first member's featurizer [float32, ``[rows, bands]``].
    frequencies
        Of its bands [float64, ``[bands]``, Hz]; None if the featurizer does not give them.
    heat
        [float64, ``[times, bands]``] None without a heat map; `remark` gives the reason.
    score_over_time
        Of the system; None if all members score whole clips.
    worst
        Time [s] at which the clip is most anomalous: `Verdict.worst_seconds`. Where members score whole clips, that
        of the hottest cell; without one, the middle.
    nearest
        None without healthy clips.
    shares
        By member: how much of the score is due to it. See `Explainer.shares`; None if that is not known.
    calibration, threshold
        Scores of the healthy clips held out [float64, ``[held out]``], and the score above which a clip is anomalous;
        None where there is none.
    findings
        What differs from every healthy clip, the most telling first; see `asdkit.explain.findings`.
    wave
        At `sample_rate`.
    """

    name: str
    verdict: Verdict
    frames: FloatArray = field(repr=False)
    frequencies: DoubleArray | None = field(repr=False)
    seconds_per_frame: float
    heat: DoubleArray | None = field(repr=False)
    remark: str
    score_over_time: WindowScores | None = field(repr=False)
    worst: float
    nearest: NearestHealthy | None = field(repr=False)
    shares: Mapping[str, float] | None
    calibration: DoubleArray | None = field(repr=False)
    threshold: float | None
    findings: tuple[Finding, ...]
    wave: Wave = field(repr=False)
    sample_rate: int

    @property
    def worst_frequency(self) -> float | None:
        """Frequency [Hz] of the hottest cell; None without heat or frequencies."""
        if self.heat is None or not self.heat.max() > 0 or self.frequencies is None:
            return None
        cell = int(self.heat.max(axis=0).argmax())
        bands = len(self.frequencies)
        return float(np.interp((cell + 0.5) / self.heat.shape[1] * bands, np.arange(bands) + 0.5, self.frequencies))


@dataclass(frozen=True)
class HealthyReference:
    """Healthy clips of one id: their names, the search in them for each featurizer, and their sound.

    `sounds` are None for clips that are too short; `healthy` is all of them.
    """

    names: list[str]
    nearest: list[NearestExcerpts]
    sounds: list[Sound | None]
    healthy: HealthySound | None

    def without(self, name: str) -> HealthySound | None:
        """Return the sound of the healthy clips but this one; None if they are too few to say anything."""
        if name not in self.names:
            return self.healthy
        return _healthy_sound([sound for own, sound in zip(self.names, self.sounds, strict=True) if own != name])


class Explainer:
    """Explains clips by one system.

    Parameters
    ----------
    system
        The system.
    healthy
        Returns the healthy clips of an id; raises `DataError` if there are none.
    """

    def __init__(self, system: TrainedSystem, healthy: Callable[[str], list[HealthyClip]]) -> None:
        self._system = system
        self._healthy = healthy
        self._references: dict[str, HealthyReference | AsdkitError] = {}

    def reference(self, id_: str) -> HealthyReference:
        """Return the healthy clips of an id, read once; raises `AsdkitError` if there are none."""
        if id_ not in self._references:
            try:
                clips = self._healthy(id_)
                features = self._system.featurise([clip.wave for clip in clips])
                nearest = [NearestExcerpts(each) for each in features]
                sounds = [measure(clip.wave, self._system.sample_rate) for clip in clips]
                names = [clip.name for clip in clips]
                self._references[id_] = HealthyReference(names, nearest, sounds, _healthy_sound(sounds))
            except AsdkitError as error:
                self._references[id_] = error
        found = self._references[id_]
        if isinstance(found, AsdkitError):
            raise found
        return found

    def explain(
        self, wave: Wave, id_: str | None = None, *, name: str = "", silence: str = "", no_heat: str = ""
    ) -> Explained:
        """Explain the score of one clip.

        Parameters
        ----------
        wave
            At the system's rate.
        id_
            Its machine id; if None or unknown, the one that the clip fits best.
        name
            Of the clip. A healthy clip of that name is not compared with it.
        silence
            Why the recording says nothing about the machine; empty if it does.
        no_heat
            Why there is to be no heat map; empty for one.
        """
        system = self._system
        (verdict,) = system.score_waves([wave], [id_])
        id_ = verdict.id
        features = system.featurise([wave])
        explanation, reference, remark = self._heat_map(features, id_, name, no_heat)
        first = system.members[0].featurizer
        frames, per_frame = features[first].frames, system.seconds_per_frame(first)
        timed = verdict.worst_seconds is not None
        worst = _worst_time(verdict.worst_seconds, explanation, len(frames), per_frame)
        calibration = system.calibrator.scores.get(id_)
        return Explained(
            name=name,
            verdict=verdict.undecided(silence) if silence else verdict,
            frames=frames,
            frequencies=frequencies_of(system.featurizers[first], system.sample_rate),
            seconds_per_frame=per_frame,
            heat=None if explanation is None else explanation.heat,
            remark=f"Undecided: {silence}." if silence else remark,
            score_over_time=system.over_time(list(verdict.windows.values()), id_) if timed else None,
            worst=worst,
            nearest=None if reference is None else _nearest_healthy(frames, reference, first, name, worst, per_frame),
            shares=self.shares(verdict),
            calibration=None if calibration is None else calibration.scores,
            threshold=system.calibrator.highest_normal(id_),
            findings=() if reference is None or silence else self._findings(wave, reference, name),
            wave=wave,
            sample_rate=system.sample_rate,
        )

    def _findings(self, wave: Wave, reference: HealthyReference, name: str) -> tuple[Finding, ...]:
        sound, healthy = measure(wave, self._system.sample_rate), reference.without(name)
        return () if sound is None or healthy is None else tuple(healthy.find(sound))

    def shares(self, verdict: Verdict) -> dict[str, float] | None:
        """Return how much of a score is due to each member.

        The share of a member is the fall of the system's score if the member's clip score were the median of those of
        the healthy clips held out; None where these are not known, or there is one member.
        """
        system = self._system
        healthy = system.member_scores.get(verdict.id)
        if healthy is None or len(system.members) < 2:
            return None
        own = np.array([verdict.members[member.name] for member in system.members])
        rows = np.repeat(own[None], len(own) + 1, axis=0)
        np.fill_diagonal(rows[1:], np.median(healthy, axis=0))
        fused = system.fused(rows, [verdict.id] * len(rows))
        return {m.name: float(fused[0] - score) for m, score in zip(system.members, fused[1:], strict=True)}

    def _heat_map(
        self, features: Sequence[Features], id_: str, name: str, no_heat: str
    ) -> tuple[Explanation | None, HealthyReference | None, str]:
        """Return the heat map, the healthy clips, and a remark: on the map, or why one of both is missing."""
        try:
            reference = self.reference(id_)
        except AsdkitError as error:
            return None, None, f"No heat map and no healthy excerpt: {error.message}."
        if no_heat:
            return None, reference, no_heat
        exclude = reference.names.index(name) if name in reference.names else None
        try:
            explanation = explain_clip(self._system, features, id_, reference.nearest, GRID, exclude=exclude)
        except DataError as error:
            return None, reference, f"No heat map: {error.message}."
        return explanation, reference, "" if explanation.heat.max() > 0 else NO_HEAT


def _healthy_sound(sounds: Sequence[Sound | None]) -> HealthySound | None:
    known = [sound for sound in sounds if sound is not None]
    return HealthySound(known) if len(known) >= LEAST_CLIPS else None


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


def _worst_time(worst: float | None, explanation: Explanation | None, rows: int, per_frame: float) -> float:
    """Return the time [s] that the verdict names; if it names none, that of the hottest cell, else the middle."""
    if worst is not None:
        return worst
    if explanation is not None and explanation.heat.max() > 0:
        return float((explanation.hottest[0] + 0.5) / explanation.heat.shape[0] * rows * per_frame)
    return rows / 2 * per_frame


def _nearest_healthy(
    frames: FloatArray, reference: HealthyReference, featurizer: int, clip: str, worst: float, per_frame: float
) -> NearestHealthy | None:
    """Find the excerpt of the other healthy clips that is nearest to the frames around the worst time."""
    search = reference.nearest[featurizer]
    rows = min(len(frames), search.longest, max(1, round(_EXCERPT / per_frame)))
    first = min(max(0, round(worst / per_frame) - rows // 2), len(frames) - rows)
    worst_frames = frames[first : first + rows]
    exclude = reference.names.index(clip) if clip in reference.names else None
    try:
        excerpt = search.nearest(worst_frames, exclude=exclude)
    except ValueError:
        return None  # the only healthy clip is this one
    nearest = search.frames_of(excerpt, rows)
    name, start = reference.names[excerpt.clip], excerpt.row * per_frame
    return NearestHealthy(worst_frames, nearest, name, first * per_frame, start, excerpt.distance)
