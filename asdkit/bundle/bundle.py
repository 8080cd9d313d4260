"""A trained system on its own: open it, score waves, decide."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt

from asdkit import audio
from asdkit.audio import Wave
from asdkit.audio.io import as_rate, as_wave
from asdkit.bundle.archive import unpack
from asdkit.bundle.calibration import Calibrator, ThresholdKind, ThresholdRule
from asdkit.bundle.description import Description, files_of, read_description
from asdkit.bundle.members import Member, assemble, fuse_guarded
from asdkit.bundle.result import Verdict, WindowScores
from asdkit.context import Context
from asdkit.errors import DataError, UsageError
from asdkit.feature_extraction import WaveSource, fill_features
from asdkit.features import Features, FloatArray, Windows
from asdkit.scoring import pool_scores
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.plugins import Registry

DoubleArray = npt.NDArray[np.float64]

_LONG = 100_000_000  # samples of a wave long enough to tell how many a frame advances by


@dataclass(frozen=True)
class ClipScores:
    """Scores of several clips.

    Attributes
    ----------
    fused
        [float64, ``[clips]``] Of the system.
    members
        [float64, ``[clips, members]``] Clip scores.
    windows, window_scores
        Of each member: its windows, and their scores [float32, ``[windows]``].
    """

    fused: DoubleArray
    members: DoubleArray
    windows: list[Windows]
    window_scores: list[FloatArray]


class Bundle:
    """A trained system on one machine, with what it takes to decide.

    Opened by `load` or `of_run`.

    Attributes
    ----------
    description
        What it is made of: names, ids, sample rate, settings, versions.
    files
        Content of the files that the description names.
    members
        Its detectors.
    featurizers
        What makes their frames; members share them.
    fuser
        None where there is one member.
    judge
        Decides by the rule and the clips held out.
    ctx
        Device and threads.
    """

    def __init__(
        self, where: str, description: Description, files: dict[str, bytes], registry: Registry, ctx: Context
    ) -> None:
        self.where, self.description, self.files, self.ctx = where, description, files, ctx
        parts = assemble(where, description, files, registry)
        self.members, self.featurizers, self.fuser = parts.members, parts.featurizers, parts.fuser
        rule = ThresholdRule(description.rule.false_alarm_rate, description.rule.threshold)
        self.calibrator = Calibrator(parts.references, rule)
        self.ids = [part.name for part in description.ids]

    @classmethod
    def load(cls, path: str | Path, *, registry: Registry | None = None, ctx: Context | None = None) -> Bundle:
        """Open a bundle's file.

        Parameters
        ----------
        path
            What `asdkit export` wrote.
        registry
            The plugins; default: those installed. No other code is ever loaded.
        ctx
            Device and threads; default: the CPU, one thread.

        Raises
        ------
        DataError
            If the file is no bundle, damaged, or of a newer format.
        UsageError, PluginError
            If it needs a plugin that is unknown, broken, or cannot take up what is stored.
        """
        from asdkit.plugins import discover

        where, files = printable(str(path)), unpack(Path(path))
        description = read_description(where, files)
        named = {name: files[name] for name in sorted(files_of(description))}
        return cls(where, description, named, registry or discover(), ctx or Context())

    @classmethod
    def of_run(
        cls,
        folder: str | Path,
        system: str | None = None,
        machine: str | None = None,
        *,
        registry: Registry | None = None,
        ctx: Context | None = None,
    ) -> Bundle:
        """Take a system of a run.

        Parameters
        ----------
        folder
            The run folder.
        system
            A system or a single detector; default: the only one.
        machine
            Default: the only one.
        registry, ctx
            As `load` has them.

        Raises
        ------
        UsageError
            If the run has no such system or machine, or several and none was named.
        DataError
            If it is no run, not finished, or damaged.
        """
        from asdkit.bundle.from_run import take
        from asdkit.plugins import discover

        registry = registry or discover()
        description, files = take(Path(folder), system, machine, registry)
        return cls(printable(str(folder)), description, files, registry, ctx or Context())

    @property
    def sample_rate(self) -> int:
        """Rate [Hz] of the waves that `score_waves` takes."""
        return self.description.sample_rate

    def deciding(self, false_alarm_rate: float | None = None, threshold: ThresholdKind | None = None) -> Bundle:
        """The same, deciding by another rule; what is None stays as it is.

        Raises
        ------
        UsageError
            If the rate is not between 0 and 1, or there is no such threshold.
        """
        asked = self.calibrator.rule.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        if not 0 < asked < 1:
            raise UsageError(f"a false-alarm rate of {asked:g}; expected a share between 0 and 1, such as 0.05")
        if threshold not in (None, *get_args(ThresholdKind)):
            raise UsageError(f"no threshold {threshold!r}; expected one of {', '.join(get_args(ThresholdKind))}")
        other = copy.copy(self)
        other.calibrator = Calibrator(
            self.calibrator.scores, ThresholdRule(asked, threshold or self.calibrator.rule.threshold)
        )
        return other

    def score(self, wave: npt.ArrayLike, sample_rate: int, id: str | None = None) -> Verdict:  # noqa: A002 (what it is)
        """Score one recording and decide.

        Parameters
        ----------
        wave
            [float, full scale 1, or int16, ``[samples]``] Mono.
        sample_rate
            Hz; another rate than the bundle's is resampled.
        id
            Which machine; None, or one that the bundle does not know: the id that the clip fits best (where the
            bundle has one id: that one).

        Raises
        ------
        DataError
            If the wave cannot be scored: too short for a window, or not finite.
        UsageError
            If it is not mono, or of another type; or the rate is none.
        """
        return self.score_waves([self.prepare(wave, sample_rate)], [id])[0]

    def prepare(self, wave: npt.ArrayLike, sample_rate: int) -> Wave:
        """Check a wave and bring it to the bundle's rate [int16 or float32, ``[samples]``]; raises as `score`."""
        given, rate = as_wave(wave), as_rate(sample_rate)
        made = given if rate == self.sample_rate else audio.resample(given, rate, self.sample_rate)
        reason = self.too_short(len(made))
        if reason:
            raise DataError(f"the wave is {reason}")
        return made

    def too_short(self, samples: int) -> str:
        """Why a wave of so many samples at the bundle's rate cannot be scored; empty where it can."""
        for member in self.members:
            rows = self.featurizers[member.featurizer].rows(samples)
            frames = 1 if member.frames == "clip" else member.frames
            if rows < frames:
                seconds = samples / self.sample_rate
                return f"shorter than a window of {member.name}: {seconds:.2f} s gives {rows} of {frames} frames"
        return ""

    def read(self, path: Path) -> Wave:
        """Read a recording as this bundle hears it: at its rate, its channel, in the containers that its run took.

        Raises
        ------
        BadAudio
            As `asdkit.audio.read`.
        """
        heard = self.description
        return audio.read(path, sample_rate=self.sample_rate, channel=heard.channel, containers=heard.containers)

    def score_waves(self, waves: Sequence[Wave], ids: Sequence[str | None]) -> list[Verdict]:
        """Score several recordings at the bundle's rate at once; see `score`. Each must be long enough."""
        if len(waves) != len(ids):
            raise UsageError(f"{len(waves)} waves, but {len(ids)} ids; expected one for each, or None")
        only = self.ids[0] if len(self.ids) == 1 else None
        named = [only if id_ is None else id_ for id_ in ids]
        known = [i for i, id_ in enumerate(named) if id_ in self.ids]
        strange = [i for i, id_ in enumerate(named) if id_ not in self.ids]
        made: dict[int, Verdict] = {}
        if known:
            features = self.featurise([waves[i] for i in known])
            made |= zip(known, self.judge_features(features, [str(named[i]) for i in known]), strict=True)
        if strange:
            # A run keeps the lowest score over the known ids, window by window (`score_windows`). A verdict needs one
            # id for its threshold and windows: whole clips are scored under each, and the highest p-value decides.
            features = self.featurise([waves[i] for i in strange])
            under = [self.judge_features(features, [id_] * len(strange), id_known=False) for id_ in self.ids]
            made |= zip(strange, (max(each, key=_fit) for each in zip(*under, strict=True)), strict=True)
        return [made[i] for i in range(len(waves))]

    def featurise(self, waves: Sequence[Wave]) -> list[Features]:
        """Features of recordings at the bundle's rate, by each of `featurizers`."""
        sources = [WaveSource(f"wave {i}", len(wave), partial(_itself, wave)) for i, wave in enumerate(waves)]
        return [fill_features(f, sources, self.sample_rate, threads=self.ctx.threads) for f in self.featurizers]

    def score_features(self, features: Sequence[Features], ids: Sequence[str]) -> ClipScores:
        """Score clips of known ids by their features, as `featurise` gives them."""
        windows, window_scores, clip_scores = [], [], []
        for member in self.members:
            its = features[member.featurizer]
            cut = member.windows(its)
            scores = member.score(its, cut, ids, self.ctx)
            windows.append(cut)
            window_scores.append(scores)
            clip_scores.append(pool_scores(scores, cut.offsets, member.pool))
        members = np.stack(clip_scores, axis=1)
        return ClipScores(self.fused(members, ids), members, windows, window_scores)

    def judge_features(
        self, features: Sequence[Features], ids: Sequence[str], *, id_known: bool = True
    ) -> list[Verdict]:
        """Score clips of known ids by their features, and decide."""
        scored = self.score_features(features, ids)
        verdicts = []
        for clip, id_ in enumerate(ids):
            windows = {
                member.name: self._windows(member, features[member.featurizer], scored, place, clip)
                for place, member in enumerate(self.members)
            }
            score = float(scored.fused[clip])
            decision = self.calibrator.decide(score, id_)
            reference = self.calibrator.scores.get(id_)
            verdicts.append(
                Verdict(
                    score=score,
                    id=id_,
                    id_known=id_known,
                    p_value=decision.p_value,
                    anomalous=decision.anomalous,
                    reason=decision.reason,
                    supported_rate=None if reference is None else reference.supported_rate,
                    worst_seconds=self._worst(list(windows.values()), id_),
                    members={m.name: float(scored.members[clip, i]) for i, m in enumerate(self.members)},
                    windows=windows,
                )
            )
        return verdicts

    def seconds_per_frame(self, featurizer: int) -> float:
        """Time from one frame of a featurizer to the next [s]."""
        rows = self.featurizers[featurizer].rows
        return _LONG / (rows(2 * _LONG) - rows(_LONG)) / self.sample_rate

    def fused(self, members: DoubleArray, ids: Sequence[str], some: Sequence[int] | None = None) -> DoubleArray:
        """Scores of the system [float64, ``[clips]``] of its members' [float64, ``[clips, members]``], or of `some`.

        Raises
        ------
        PluginError
            If the fuser gives anything but one finite score a clip, or fails.
        """
        if self.fuser is None or self.description.fuser is None:
            return members[:, 0]
        return fuse_guarded(self.fuser, self.description.fuser.use, members, ids, some)

    def _windows(self, member: Member, features: Features, scored: ClipScores, place: int, clip: int) -> WindowScores:
        cut = scored.windows[place]
        its = slice(cut.offsets[clip], cut.offsets[clip + 1])
        rows = int(features.offsets[clip + 1] - features.offsets[clip])
        length = rows if member.frames == "clip" else member.frames
        middles = cut.starts[its] - features.offsets[clip] + (length - 1) / 2
        return WindowScores(middles * self.seconds_per_frame(member.featurizer), scored.window_scores[place][its])

    def over_time(self, windows: Sequence[WindowScores], id_: str) -> WindowScores:
        """Score of the system over time: members' window scores are fused as clip scores are, moment by moment.

        Members that judge whole clips say nothing of when: the fuser leaves them out, if it can fuse some alone.
        """
        moments = max((w.seconds for w in windows), key=len)
        heard = np.stack([np.interp(moments, w.seconds, w.scores) for w in windows], axis=1).astype(np.float64)
        ids = [id_] * len(moments)
        cut = [place for place, member in enumerate(self.members) if member.frames != "clip"]
        alone = bool(cut) and hasattr(self.fuser, "fuse_some")
        fused = self.fused(heard[:, cut], ids, cut) if alone else self.fused(heard, ids)
        return WindowScores(moments, np.asarray(fused, np.float32))

    def _worst(self, windows: Sequence[WindowScores], id_: str) -> float | None:
        """When the clip is at its worst; no member may know, if all judge whole clips."""
        if all(member.frames == "clip" for member in self.members):
            return None
        heard = self.over_time(windows, id_)
        return float(heard.seconds[np.argmax(heard.scores)])


def _fit(verdict: Verdict) -> tuple[float, float]:
    """How well a clip fits the id that it was scored as: its p-value; where there is none or it is equal, its score."""
    return (-1.0 if verdict.p_value is None else verdict.p_value, -verdict.score)


def _itself(wave: Wave) -> Wave:
    return wave
