"""Detectors under test.

Featurizers, augmenters and fusers under test.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from asdkit.config import AugmenterConfig, DetectorConfig, JobOutline
from asdkit.context import State
from asdkit.features import Features, IntArray, Windows, cut_windows
from asdkit.interfaces import Entry, Training
from asdkit.plugins import Kind
from asdkit.spec.settings import DetectorKeys
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.subject import SEED, Arrays, CountingContext, Subject, Use, guarded, shape_fault
from asdkit.testing.synthetic import IDS, SAMPLE_RATE, Clips, clips_to_score, training_clips, wave


class DetectorSubject(Subject):
    """A detector, the windows that it gets by default, and its fits."""

    kind: ClassVar[Kind] = "detector"
    core_keys = ("frames", "hop", "scope")

    def __init__(self, entry: Entry, options: Mapping[str, Any], module: str = "") -> None:
        super().__init__(entry, options, module)
        core = {key: value for key, value in self.options.items() if key in self.core_keys}
        defaults = json.dumps({**entry.defaults, **core})
        self._keys = DetectorKeys.model_validate_json(defaults)

    @property
    def frames(self) -> int | Literal["clip"]:
        """Frames of a window."""
        return self._keys.frames

    @property
    def least_rows(self) -> int:
        """Frames of the shortest clip that has a window."""
        return 1 if self.frames == "clip" else self.frames

    @property
    def rows(self) -> int:
        """Frames of a usual clip."""
        return 48 if self.frames == "clip" else max(48, self.frames + 15 * self._keys.hop)

    def clips(self, *, twin: bool = False) -> Clips:
        """Training clips: of one id, where each id gets a detector of its own."""
        clips = training_clips(self.rows, twin=twin)
        return clips.of_id(IDS[0]) if self._keys.scope == "id" else clips

    def test(self) -> Clips:
        """Clips to score."""
        clips = clips_to_score(self.rows)
        return clips.of_id(IDS[0]) if self._keys.scope == "id" else clips

    def training(self, clips: Clips, *, read_only: bool = False) -> Training:
        """What a run would let it learn from."""
        features, windows = self.cut(clips, read_only=read_only)
        names = tuple(sorted(set(clips.ids)))
        classes: IntArray = np.array([names.index(i) for i in clips.ids], np.int64)
        return Training(features, windows, clips.ids, guarded(classes, read_only), names, len(clips))

    def cut(self, clips: Clips, *, read_only: bool = False) -> tuple[Features, Windows]:
        """Features of clips and their windows, in memory that nobody else has."""
        plain = clips.features()
        features = Features(guarded(plain.frames, read_only), guarded(plain.offsets, read_only))
        windows = cut_windows(plain.offsets, self._keys.frames, self._keys.hop)
        starts, offsets = guarded(windows.starts, read_only), guarded(windows.offsets, read_only)
        return features, Windows(starts, offsets, windows.frames)

    def refusal(self) -> str:
        """Ask its options about the windows and ids of the checks."""
        return self.refuses(len(set(self.clips().ids)))

    def refuses(self, ids: int) -> str:
        """Why its own options say that it cannot learn from so many ids; empty where they say nothing."""
        assert isinstance(self.config, DetectorConfig)
        return "; ".join(self.config.problems(JobOutline(self.frames, (), ids)))

    def fit(self, clips: Clips, instance: Any = None, ctx: CountingContext | None = None) -> Any:
        """Fit a new instance, or `instance` once more."""
        refused = self.refuses(len(set(clips.ids)))
        if refused:
            raise Inapplicable(f"its options refuse such training clips: {refused}")
        detector = self.make() if instance is None else instance
        detector.fit(self.training(clips), ctx or CountingContext())
        return detector

    def score(self, detector: Any, clips: Clips) -> np.ndarray:
        """Window scores of clips."""
        features, windows = self.cut(clips)
        scores = detector.score(features, windows, clips.ids, CountingContext())
        fault = shape_fault("score", scores, np.float32, (len(windows),))
        if fault:
            raise Failed(fault)
        assert isinstance(scores, np.ndarray)
        return scores

    def clip_scores(self, detector: Any, clips: Clips) -> np.ndarray:
        """Mean window score of each clip [float64]."""
        _, windows = self.cut(clips)
        scores = self.score(detector, clips).astype(np.float64)
        return np.array([part.mean() for part in np.split(scores, windows.offsets[1:-1])])

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Fit and score."""
        training = self.training(self.clips(), read_only=read_only)
        features, windows = self.cut(self.test(), read_only=read_only)
        given: list[np.ndarray] = [
            training.features.frames,
            training.windows.starts,
            training.classes,
            features.frames,
            windows.starts,
        ]
        kept = [array.copy() for array in given]
        instance.fit(training, ctx)
        scores = instance.score(features, windows, self.test().ids, CountingContext())  # ctx counts what fit asks
        if read_only and any(not np.array_equal(a, b) for a, b in zip(given, kept, strict=True)):
            raise Failed("an input was changed")
        return {"scores": scores}

    def fault(self, made: Arrays) -> str:
        """Scores are float32, one a window, finite."""
        return shape_fault("score", made["scores"], np.float32, (len(self.cut(self.test())[1]),))

    def fitted(self) -> Any:
        """A fitted detector that the caller may do anything with."""
        return _copied(self.used(), self)

    @cached_property
    def _twin(self) -> Use:
        return Use(instance=self.fit(self.clips(twin=True)))

    def fitted_on_twin(self) -> Any:
        """One that was fitted where the planted fault is healthy."""
        self.used()
        return _copied(self._twin, self, twin=True)

    def learnt(self, detector: Any) -> State:
        """What a detector learnt, copied."""
        state: State = {}
        for key, value in detector.state().items():
            state[key] = value.copy() if isinstance(value, np.ndarray) else value
        return state


def _copied(use: Use, subject: DetectorSubject, *, twin: bool = False) -> Any:
    try:
        return copy.deepcopy(use.instance)
    except Exception:  # it holds what cannot be copied, such as a lock
        return subject.fit(subject.clips(twin=twin))


FRAMES = 16
"""Frames of the windows that augmenters get."""


class FeaturizerSubject(Subject):
    """A featurizer, on waves of a second and two."""

    kind: ClassVar[Kind] = "featurizer"

    def fill(self, featurizer: Any, sound: np.ndarray, *, read_only: bool = False) -> np.ndarray:
        """Frames of a wave; what it leaves unwritten is NaN."""
        given = guarded(sound, read_only)
        out = np.full((featurizer.rows(len(sound)), featurizer.bands), np.nan, np.float32)
        featurizer.fill(given, SAMPLE_RATE, out)
        if read_only and given.tobytes() != sound.tobytes():
            raise Failed("the wave was changed")
        return out

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Featurise a wave of either kind."""
        return {
            "float32": self.fill(instance, wave(1.0), read_only=read_only),
            "int16": self.fill(instance, wave(2.0, "int16"), read_only=read_only),
        }

    def fault(self, made: Arrays) -> str:
        """Every number of every frame is written, and finite; powers are not negative."""
        for name, frames in made.items():
            fault = shape_fault(f"fill ({name} wave)", frames, np.float32, frames.shape)
            if fault:
                return fault.replace("that are NaN or infinite", "that are NaN, infinite, or left unwritten")
            if not len(frames):
                return f"rows says that a wave of a second has no frames ({name})"
            if self.first_use.instance.scale == "power" and (frames < 0).any():
                return 'scale is "power", but there are negative numbers'
        return ""


class AugmenterSubject(Subject):
    """An augmenter: of waves, or of windows."""

    kind: ClassVar[Kind] = "augmenter"

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of its variants."""
        assert isinstance(self.config, AugmenterConfig)
        return self.config.variant_names

    def windows(self, ids: int = len(IDS)) -> tuple[np.ndarray, np.ndarray]:
        """A batch of windows [``[batch, frames, bands]``], dB, and its targets [``[batch, ids]``]."""
        clips = training_clips(FRAMES, each=4)
        count = 4 * ids
        targets = np.eye(ids, dtype=np.float32)[np.arange(count) // 4]
        order = np.random.default_rng(4).permutation(count)
        return np.stack(clips.frames[:count])[order], targets[order]

    def vary(self, augmenter: Any, sound: np.ndarray, variant: int, *, read_only: bool = False) -> np.ndarray:
        """One variant of a wave."""
        given = guarded(sound, read_only)
        varied: np.ndarray = augmenter.vary(given, SAMPLE_RATE, variant)
        if read_only and given.tobytes() != sound.tobytes():
            raise Failed("the wave was changed")
        return varied

    def transform(
        self, augmenter: Any, windows: np.ndarray, targets: np.ndarray, variant: int = 0, seed: int = SEED
    ) -> tuple[np.ndarray, np.ndarray]:
        """Transform copies of a batch."""
        made: tuple[np.ndarray, np.ndarray] = augmenter.transform(
            windows.copy(), targets.copy(), np.random.default_rng(seed), variant
        )
        return made

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Make each variant once."""
        made = {}
        for variant in range(max(1, len(self.variants))):
            if instance.kind == "wave":
                made[f"{variant}.wave"] = self.vary(instance, wave(1.0), variant, read_only=read_only)
            else:
                windows, targets = self.transform(instance, *self.windows(), variant)
                made |= {f"{variant}.windows": windows, f"{variant}.targets": targets}
        return made

    def fault(self, made: Arrays) -> str:
        """Waves are as long as announced; batches keep their shapes."""
        windows, targets = self.windows()
        augmenter = self.first_use.instance
        for variant in range(max(1, len(self.variants))):
            if augmenter.kind == "wave":
                varied = made[f"{variant}.wave"]
                length = augmenter.samples(len(wave(1.0)), variant)
                dtype = np.int16 if isinstance(varied, np.ndarray) and varied.dtype == np.int16 else np.float32
                faults = [shape_fault("vary", varied, dtype, (length,))]
            else:
                faults = [
                    shape_fault("transform (windows)", made[f"{variant}.windows"], np.float32, windows.shape),
                    shape_fault("transform (targets)", made[f"{variant}.targets"], np.float32, targets.shape),
                ]
            if any(faults):
                return next(filter(None, faults))
        return ""


class FuserSubject(Subject):
    """A fuser of two members, whose scores are of very different size."""

    kind: ClassVar[Kind] = "fuser"

    def scores(self, seed: int = 5, clips: int = 24, faulty: int = 0) -> tuple[np.ndarray, tuple[str, ...]]:
        """Clip scores [float64, ``[clips, 2]``] and ids; the first `faulty` clips are more anomalous to both."""
        rng = np.random.default_rng(seed)
        ids = tuple(IDS[i % len(IDS)] for i in range(clips))
        level = np.array([IDS.index(i) for i in ids])[:, None]
        scores = np.array([0.1, 100.0]) * (1 + level + 0.1 * rng.normal(size=(clips, 2)))
        scores[:faulty] += np.array([0.2, 200.0])
        return scores, ids

    def fit(self, instance: Any = None, *, seed: int = 5) -> Any:
        """Fit a new instance, or `instance` once more."""
        fuser = self.make() if instance is None else instance
        fuser.fit(*self.scores(seed))
        return fuser

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Fit and fuse."""
        (train, train_ids), (test, test_ids) = self.scores(), self.scores(6, 12, faulty=6)
        given = [guarded(train, read_only), guarded(test, read_only)]
        instance.fit(given[0], train_ids)
        fused = instance.fuse(given[1], test_ids)
        if read_only and any(not np.array_equal(a, b) for a, b in zip(given, (train, test), strict=True)):
            raise Failed("the scores that it was given were changed")
        return {"fused": fused}

    def fault(self, made: Arrays) -> str:
        """Fused scores are float64, one a clip, finite."""
        return shape_fault("fuse", made["fused"], np.float64, (12,))

    def learnt(self, fuser: Any) -> State:
        """What a fuser learnt, copied."""
        return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in fuser.state().items()}


SUBJECTS: dict[Kind, type[Subject]] = {
    "detector": DetectorSubject,
    "featurizer": FeaturizerSubject,
    "augmenter": AugmenterSubject,
    "fuser": FuserSubject,
}
