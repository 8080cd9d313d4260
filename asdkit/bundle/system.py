"""`TrainedSystem`: a trained system on one machine that scores waves and decides; the part of a bundle that scores."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from asdkit import audio
from asdkit.audio import SILENT, Decoded, Wave
from asdkit.audio.io import as_rate, as_wave
from asdkit.bundle.calibration import Calibrator, ThresholdKind, ThresholdRule
from asdkit.bundle.description import Description
from asdkit.bundle.lengths import seconds_per_frame, too_short
from asdkit.bundle.members import load_system
from asdkit.bundle.plausibility import implausible
from asdkit.bundle.result import ClipScores, Verdict, WindowScores
from asdkit.context import Context
from asdkit.errors import DataError, UsageError
from asdkit.feature_extraction import WaveSource, fill_features
from asdkit.features import Condition, Features
from asdkit.plugins import Registry
from asdkit.scoring import DoubleArray, guarded_fuse, pool_scores, subset_method

MAX_IDS_TRIED = 1000
"""Most ids of a bundle that a clip of an unknown id is scored as: each takes as long as a clip of a known id."""

_TIMES = 1 << 16  # fused at once


class TrainedSystem:
    """The parts of a bundle, ready to score; see `asdkit.bundle.Bundle`.

    Parameters
    ----------
    where
        Name of the bundle in messages.
    description, files
        Content of the bundle.
    registry, ctx
        The plugins; device and threads.
    """

    def __init__(
        self, where: str, description: Description, files: dict[str, bytes], registry: Registry, ctx: Context
    ) -> None:
        self.where, self.description, self.files, self.ctx = where, description, files, ctx
        system = load_system(where, description, files, registry)
        self.members, self.featurizers, self.fuser = system.members, system.featurizers, system.fuser
        rule = ThresholdRule(description.rule.false_alarm_rate, description.rule.threshold)
        self.calibrator = Calibrator(system.calibration, rule)
        self.member_scores = system.member_scores
        self.ids = [part.name for part in description.ids]

    @property
    def sample_rate(self) -> int:
        """Sample rate [Hz] of the waves that `score_waves` takes."""
        return self.description.sample_rate

    def deciding(self, false_alarm_rate: float | None = None, threshold: ThresholdKind | None = None) -> Self:
        """Return a copy that decides by another rule; None keeps the current value.

        Raises
        ------
        UsageError
            If the rate is not between 0 and 1, or there is no such threshold.

        Examples
        --------
        >>> from asdkit import Bundle
        >>> Bundle.load("fan.asdkit").deciding(false_alarm_rate=0.01).calibrator.shortfall("00")
        '10 held-out clips of id 00 support no rate below 1 in 11 (9.1 %); 1 % was requested'
        """
        rule = self.calibrator.rule
        rate = rule.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        other = copy.copy(self)
        other.calibrator = Calibrator(self.calibrator.scores, ThresholdRule(rate, threshold or rule.threshold))
        return other

    def score(
        self,
        wave: npt.ArrayLike,
        sample_rate: int,
        id: str | None = None,  # noqa: A002 (public)
        *,
        domain: str | None = None,
    ) -> Verdict:
        """Score one recording and decide; see the example of `Bundle`.

        Parameters
        ----------
        wave
            [float, full scale 1, or int16, ``[samples]``] Mono.
        sample_rate
            Hz; the wave is resampled if the bundle has another rate.
        id
            The machine id. If None or unknown, the clip is scored as the id that it fits best; None is the only id of
            a bundle with one id.
        domain
            ``"source"`` or ``"target"``, where the caller knows it: detectors that use domains get it.

        Raises
        ------
        DataError
            If the wave is shorter than a window, or not finite.
        UsageError
            If the wave is not mono or of another type, or the rate is not valid.
        """
        if domain not in (None, "source", "target"):
            raise UsageError(f"domain {domain!r}; expected 'source', 'target' or None")
        verdict = self.score_waves([self.prepare(wave, sample_rate)], [id], [domain])[0]
        return verdict.undecided(SILENT) if audio.is_silent(np.asarray(wave)) else verdict

    def prepare(self, wave: npt.ArrayLike, sample_rate: int) -> Wave:
        """Check a wave and resample it to the bundle's rate [int16 or float32, ``[samples]``]; raises as `score`.

        Examples
        --------
        >>> from asdkit import Bundle
        >>> Bundle.load("fan.asdkit").prepare(np.zeros(16000), sample_rate=16000).shape
        (8000,)
        """
        checked, rate = as_wave(wave), as_rate(sample_rate)
        if reason := implausible(self.description, checked):
            raise DataError(f"the wave has {reason}")
        if rate != self.sample_rate:
            checked = audio.resample(checked, rate, self.sample_rate)
        reason = self.too_short(len(checked))
        if reason:
            raise DataError(f"the wave is {reason}")
        return checked

    def too_short(self, samples: int) -> str:
        """Return why a wave with this many samples at the bundle's rate cannot be scored; empty if it can."""
        return too_short(self.members, self.featurizers, samples, self.sample_rate)

    def decode(self, path: Path) -> Decoded:
        """Decode a recording at the bundle's rate, with its channel and containers; raises as `asdkit.audio.decode`."""
        channel, containers = self.description.channel, self.description.containers
        return audio.decode(path, sample_rate=self.sample_rate, channel=channel, containers=containers)

    def read(self, path: Path) -> Wave:
        """Return the wave of `decode`; raises as `asdkit.audio.read`."""
        return self.decode(path).wave

    def score_waves(
        self, waves: Sequence[Wave], ids: Sequence[str | None], domains: Sequence[str | None] | None = None
    ) -> list[Verdict]:
        """Score several recordings at the bundle's rate; see `score`. Each must be as long as a window.

        Examples
        --------
        >>> from asdkit import Bundle
        >>> waves = [np.zeros(8000, np.int16), np.full(8000, 0.1, np.float32)]
        >>> [verdict.id_known for verdict in Bundle.load("fan.asdkit").score_waves(waves, ["02", None])]
        [True, False]
        """
        if len(waves) != len(ids):
            raise UsageError(f"{len(waves)} waves, but {len(ids)} ids; expected one for each, or None")
        only = self.ids[0] if len(self.ids) == 1 else None
        ids = [only if id_ is None else id_ for id_ in ids]
        known = [i for i, id_ in enumerate(ids) if id_ in self.ids]
        unknown = [i for i, id_ in enumerate(ids) if id_ not in self.ids]
        verdicts: dict[int, Verdict] = {}
        if known:
            features = _of_domains(self.featurise([waves[i] for i in known]), known, domains)
            verdicts |= zip(known, self.judge_features(features, [str(ids[i]) for i in known]), strict=True)
        if unknown:
            # A run keeps the lowest window scores over the known ids. A verdict needs one id for its threshold: the
            # clips are scored under each, and the highest p-value decides.
            features = _of_domains(self.featurise([waves[i] for i in unknown]), unknown, domains)
            if len(self.ids) > MAX_IDS_TRIED:
                raise DataError(f"of an unknown id, and {len(self.ids)} ids are too many to score it as each of them")
            per_id = [self.judge_features(features, [id_] * len(unknown), id_known=False) for id_ in self.ids]
            verdicts |= zip(unknown, (max(each, key=Verdict.fit) for each in zip(*per_id, strict=True)), strict=True)
        return [verdicts[i].undecided(SILENT) if audio.is_silent(wave) else verdicts[i] for i, wave in enumerate(waves)]

    def featurise(self, waves: Sequence[Wave]) -> list[Features]:
        """Return the features of recordings at the bundle's rate, from each of `featurizers`."""
        sources = [WaveSource(f"wave {i}", len(wave), partial(np.asarray, wave)) for i, wave in enumerate(waves)]
        rate, threads = self.sample_rate, self.ctx.threads
        return [fill_features(f, sources, rate, threads=threads, map_large=True) for f in self.featurizers]

    def score_features(self, features: Sequence[Features], ids: Sequence[str]) -> ClipScores:
        """Score clips of known ids from the features that `featurise` returns."""
        all_windows, window_scores, clip_scores = [], [], []
        for member in self.members:
            windows = member.windows(features[member.featurizer])
            scores = member.score(features[member.featurizer], windows, ids, self.ctx)
            all_windows.append(windows)
            window_scores.append(scores)
            clip_scores.append(pool_scores(scores, windows.offsets, member.pool))
        members = np.stack(clip_scores, axis=1)
        return ClipScores(self.fused(members, ids), members, all_windows, window_scores)

    def judge_features(
        self, features: Sequence[Features], ids: Sequence[str], *, id_known: bool = True
    ) -> list[Verdict]:
        """Score clips of known ids from the features that `featurise` returns, and decide."""
        scores = self.score_features(features, ids)
        verdicts = []
        for clip, id_ in enumerate(ids):
            windows = {m.name: self._window_scores(scores, features, i, clip) for i, m in enumerate(self.members)}
            score = float(scores.fused[clip])
            decision = self.calibrator.decide(score, id_)
            calibration = self.calibrator.scores.get(id_)
            verdicts.append(
                Verdict(
                    score=score,
                    id=id_,
                    id_known=id_known,
                    p_value=decision.p_value,
                    anomalous=decision.anomalous,
                    reason=decision.reason,
                    supported_rate=None if calibration is None else calibration.supported_rate,
                    worst_seconds=self._worst_seconds(list(windows.values()), id_),
                    members={m.name: float(scores.members[clip, i]) for i, m in enumerate(self.members)},
                    windows=windows,
                )
            )
        return verdicts

    def seconds_per_frame(self, featurizer: int) -> float:
        """Return the time from one frame of a featurizer to the next [s]."""
        return seconds_per_frame(self.featurizers[featurizer], self.sample_rate)

    def fused(self, members: DoubleArray, ids: Sequence[str], some: Sequence[int] | None = None) -> DoubleArray:
        """Fuse member scores [float64, ``[clips, members]``], those of all members or of `some`, to ``[clips]``.

        Raises
        ------
        PluginError
            If the fuser fails, or does not return one finite score per clip.
        """
        if self.fuser is None or self.description.fuser is None:
            return members[:, 0]
        return guarded_fuse(self.fuser, self.description.fuser.use, members, ids, some)

    def over_time(self, windows: Sequence[WindowScores], id_: str) -> WindowScores:
        """Fuse the members' window scores of one clip at each time, in the same way as clip scores.

        Members whose windows are whole clips have no time information. They are left out if the fuser can fuse a
        subset (``fuse_subset``).
        """
        seconds = max((w.seconds for w in windows), key=len)
        timed = [index for index, member in enumerate(self.members) if member.frames != "clip"]
        some = timed if timed and subset_method(self.fuser) else None
        used = windows if some is None else [windows[index] for index in some]
        scores = np.empty(len(seconds), np.float32)
        for first in range(0, len(seconds), _TIMES):
            times = seconds[first : first + _TIMES]
            members = np.stack([np.interp(times, w.seconds, w.scores) for w in used], axis=1).astype(np.float64)
            scores[first : first + _TIMES] = self.fused(members, [id_] * len(times), some)
        return WindowScores(seconds, scores)

    def _window_scores(self, scores: ClipScores, features: Sequence[Features], index: int, clip: int) -> WindowScores:
        """Return the window scores of one clip by the member at this index."""
        member, windows = self.members[index], scores.windows[index]
        offsets = features[member.featurizer].offsets
        own = slice(windows.offsets[clip], windows.offsets[clip + 1])
        frames = int(offsets[clip + 1] - offsets[clip]) if member.frames == "clip" else member.frames
        middles = windows.starts[own] - offsets[clip] + (frames - 1) / 2
        return WindowScores(middles * self.seconds_per_frame(member.featurizer), scores.window_scores[index][own])

    def _worst_seconds(self, windows: Sequence[WindowScores], id_: str) -> float | None:
        """Return the time of the highest score; None if all windows are whole clips."""
        if all(member.frames == "clip" for member in self.members):
            return None
        over_time = self.over_time(windows, id_)
        return float(over_time.seconds[np.argmax(over_time.scores)])


def _of_domains(
    features: Sequence[Features], clips: Sequence[int], domains: Sequence[str | None] | None
) -> list[Features]:
    """Add the domains of these clips to their features, where they are known."""
    if domains is None or not any(domains[clip] for clip in clips):
        return list(features)
    conditions = tuple(Condition(domains[clip]) for clip in clips)
    return [replace(each, conditions=conditions) for each in features]
