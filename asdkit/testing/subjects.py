"""Plugins under test, one class per kind: how a run uses them, and what is wrong with their results."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from asdkit.config import AugmenterConfig, DetectorConfig, JobOutline, Scale
from asdkit.features import Features, IntArray, Windows, cut_windows
from asdkit.interfaces import Entry, Training
from asdkit.plugins import Kind
from asdkit.spec.settings import DetectorKeys
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.layout_subject import LayoutSubject
from asdkit.testing.subject import SEED, Arrays, CountingContext, Subject, Use, array_fault, copy_of
from asdkit.testing.synthetic import IDS, SAMPLE_RATE, Clips, clips_to_score, training_clips, wave

_AUGMENTED_FRAMES = 16  # frames of the windows that augmenters get
_FEW, _MANY = 6, 64  # training clips of each id; many where a clip is one window
_FAULTS = 16  # normal clips of each id to compare with as many faulty ones


class DetectorSubject(Subject):
    """A detector with its default windows and its fits."""

    kind: ClassVar[Kind] = "detector"
    core_keys = ("frames", "hop", "scope")

    def __init__(self, entry: Entry, options: Mapping[str, Any], module: str = "") -> None:
        super().__init__(entry, options, module)
        core = {key: value for key, value in self.options.items() if key in self.core_keys}
        self._keys = DetectorKeys.model_validate_json(json.dumps({**entry.defaults, **core}))

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
        """Frames of a clip."""
        return 48 if self.frames == "clip" else max(48, self.frames + 15 * self._keys.hop)

    def training_clips(self, *, twin: bool = False) -> Clips:
        """Return training clips, at least 64 windows of each id; of one id where each id has its own detector."""
        each = _MANY if self.frames == "clip" else _FEW
        return self._in_scope(training_clips(self.rows, twin=twin, each=each))

    def test_clips(self) -> Clips:
        """Return clips to score."""
        return self._in_scope(clips_to_score(self.rows))

    def comparison_clips(self) -> Clips:
        """Return more clips to score, enough to tell how well faults are found."""
        return self._in_scope(clips_to_score(self.rows, each=_FAULTS))

    @property
    def amounts(self) -> dict[str, int]:
        """Number of clips that a use fits and scores."""
        return {"fitted": len(self.training_clips()), "scored": len(self.test_clips())}

    def shortest_clips(self) -> Clips:
        """Return training clips of one window each."""
        return self._in_scope(training_clips(self.least_rows))

    def _in_scope(self, clips: Clips) -> Clips:
        return clips.of_id(IDS[0]) if self._keys.scope == "id" else clips

    def training(self, clips: Clips, *, read_only: bool = False) -> Training:
        """Return the training data that a run would give it."""
        features, windows = self.cut(clips, read_only=read_only)
        names = tuple(sorted(set(clips.ids)))
        classes: IntArray = np.array([names.index(i) for i in clips.ids], np.int64)
        return Training(features, windows, clips.ids, copy_of(classes, read_only), names, len(clips))

    def cut(self, clips: Clips, *, read_only: bool = False) -> tuple[Features, Windows]:
        """Return copies of the clips' features and windows."""
        packed = clips.features()
        features = Features(copy_of(packed.frames, read_only), copy_of(packed.offsets, read_only))
        windows = cut_windows(packed.offsets, self._keys.frames, self._keys.hop)
        starts, offsets = copy_of(windows.starts, read_only), copy_of(windows.offsets, read_only)
        return features, Windows(starts, offsets, windows.frames)

    def refusal(self) -> str:
        """Say why its options refuse the windows and ids of the checks; empty where they accept them."""
        return self.refusal_of(len(set(self.training_clips().ids)))

    def refusal_of(self, ids: int) -> str:
        """Say why its options refuse training clips of so many ids; empty where they accept them."""
        assert isinstance(self.config, DetectorConfig)
        return "; ".join(self.config.problems(JobOutline(self.frames, (), ids)))

    def fit(self, clips: Clips, instance: Any = None, ctx: CountingContext | None = None) -> Any:
        """Fit a new instance, or `instance` again; return it."""
        refused = self.refusal_of(len(set(clips.ids)))
        if refused:
            raise Inapplicable(f"its options refuse such training clips: {refused}")
        detector = self.make() if instance is None else instance
        self.note({"fitted": len(clips)})
        detector.fit(self.training(clips), ctx or CountingContext())
        return detector

    def score(self, detector: Any, clips: Clips) -> np.ndarray:
        """Return window scores of clips; fails where they are not finite float32, one per window."""
        self.note({"scored": len(clips)})
        features, windows = self.cut(clips)
        scores = detector.score(features, windows, clips.ids, CountingContext())
        fault = array_fault("score", scores, np.float32, (len(windows),))
        if fault:
            raise Failed(fault)
        assert isinstance(scores, np.ndarray)
        return scores

    def clip_scores(self, detector: Any, clips: Clips) -> np.ndarray:
        """Return the mean window score of each clip [float64]."""
        _, windows = self.cut(clips)
        scores = self.score(detector, clips).astype(np.float64)
        return np.array([part.mean() for part in np.split(scores, windows.offsets[1:-1])])

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Fit and score."""
        training = self.training(self.training_clips(), read_only=read_only)
        features, windows = self.cut(self.test_clips(), read_only=read_only)
        inputs: list[np.ndarray] = [
            training.features.frames,
            training.windows.starts,
            training.classes,
            features.frames,
            windows.starts,
        ]
        originals = [array.copy() for array in inputs]
        instance.fit(training, ctx)
        # A context of its own: ctx counts the calls of fit.
        scores = instance.score(features, windows, self.test_clips().ids, CountingContext())
        if read_only and any(not np.array_equal(a, b) for a, b in zip(inputs, originals, strict=True)):
            raise Failed("an input was changed")
        return {"scores": scores}

    def fault(self, outputs: Arrays) -> str:
        """Scores are float32, one per window, finite."""
        return array_fault("score", outputs["scores"], np.float32, (len(self.cut(self.test_clips())[1]),))

    def fitted(self) -> Any:
        """Return a copy of the fitted detector, which the caller may change."""
        return self._copied(self.working_use())

    def fitted_on_twin(self) -> Any:
        """Return a copy of a detector that was fitted where the planted fault is normal."""
        self.working_use()
        return self._copied(self._twin, twin=True)

    @cached_property
    def _twin(self) -> Use:
        return Use(instance=self.fit(self.training_clips(twin=True)))

    def _copied(self, use: Use, *, twin: bool = False) -> Any:
        try:
            return copy.deepcopy(use.instance)
        except Exception:  # it holds an object that cannot be copied, such as a lock
            return self.fit(self.training_clips(twin=twin))


class FeaturizerSubject(Subject):
    """A featurizer, on waves of one and two seconds."""

    kind: ClassVar[Kind] = "featurizer"

    @property
    def amounts(self) -> dict[str, int]:
        """Number of waves that a use takes."""
        return {"waves": 2}

    def fit(self, featurizer: Any, *seeds: int) -> Any:
        """Fit a featurizer that has a state to waves of these seeds; return it."""
        if hasattr(featurizer, "fit"):
            featurizer.fit([wave(1.0, seed=seed) for seed in seeds or (3, 4, 5)], SAMPLE_RATE, CountingContext())
        return featurizer

    def frames(self, featurizer: Any, *, read_only: bool = False) -> Arrays:
        """Return the frames of a wave of each dtype."""
        sounds = {"float32": wave(1.0), "int16": wave(2.0, "int16")}
        return {dtype: self.fill(featurizer, sound, read_only=read_only) for dtype, sound in sounds.items()}

    def fill(self, featurizer: Any, sound: np.ndarray, *, read_only: bool = False) -> np.ndarray:
        """Return the frames of a wave; unwritten numbers are NaN."""
        sound_copy = copy_of(sound, read_only)
        out = np.full((featurizer.rows(len(sound)), featurizer.bands), np.nan, np.float32)
        featurizer.fill(sound_copy, SAMPLE_RATE, out)
        if read_only and sound_copy.tobytes() != sound.tobytes():
            raise Failed("the wave was changed")
        return out

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Fit if it has a state, and featurise."""
        return self.frames(self.fit(instance), read_only=read_only)

    def fault(self, outputs: Arrays) -> str:
        """Every number of every frame is written and finite; powers are not negative."""
        scale = self.first_use.instance.scale
        if scale not in get_args(Scale):
            return f"scale is {scale!r}; expected one of {', '.join(get_args(Scale))}"
        for name, frames in outputs.items():
            fault = array_fault(f"fill ({name} wave)", frames, np.float32, frames.shape)
            if fault:
                return fault.replace("that are NaN or infinite", "that are NaN, infinite, or not written")
            if not len(frames):
                return f"rows says that a wave of a second has no frames ({name})"
            if scale == "power" and (frames < 0).any():
                return 'scale is "power", but there are negative numbers'
        return ""


class AugmenterSubject(Subject):
    """An augmenter of waves or of windows."""

    kind: ClassVar[Kind] = "augmenter"

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of its variants."""
        assert isinstance(self.config, AugmenterConfig)
        return self.config.variant_names

    @property
    def amounts(self) -> dict[str, int]:
        """Number of waves that a use takes; windows where it is an augmenter of windows."""
        return {"waves": 1} if getattr(self.plugin_class, "kind", "") == "wave" else {"windows": len(self.windows()[0])}

    def windows(self, ids: int = len(IDS)) -> tuple[np.ndarray, np.ndarray]:
        """Return a batch of windows [``[batch, frames, bands]``], dB, and its targets [``[batch, ids]``]."""
        clips = training_clips(_AUGMENTED_FRAMES, each=4)
        count = 4 * ids
        targets = np.eye(ids, dtype=np.float32)[np.arange(count) // 4]
        order = np.random.default_rng(4).permutation(count)
        return np.stack(clips.frames[:count])[order], targets[order]

    def vary(self, augmenter: Any, sound: np.ndarray, variant: int, *, read_only: bool = False) -> np.ndarray:
        """Return a variant of a wave."""
        sound_copy = copy_of(sound, read_only)
        varied: np.ndarray = augmenter.vary(sound_copy, SAMPLE_RATE, variant)
        if read_only and sound_copy.tobytes() != sound.tobytes():
            raise Failed("the wave was changed")
        return varied

    def transform(
        self, augmenter: Any, windows: np.ndarray, targets: np.ndarray, variant: int = 0, seed: int = SEED
    ) -> tuple[np.ndarray, np.ndarray]:
        """Transform copies of a batch."""
        batch: tuple[np.ndarray, np.ndarray] = augmenter.transform(
            windows.copy(), targets.copy(), np.random.default_rng(seed), variant
        )
        return batch

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Compute each variant once."""
        outputs = {}
        for variant in range(max(1, len(self.variants))):
            if instance.kind == "wave":
                outputs[f"{variant}.wave"] = self.vary(instance, wave(1.0), variant, read_only=read_only)
            else:
                windows, targets = self.transform(instance, *self.windows(), variant)
                outputs |= {f"{variant}.windows": windows, f"{variant}.targets": targets}
        return outputs

    def fault(self, outputs: Arrays) -> str:
        """Waves are as long as announced; batches keep their shapes."""
        windows, targets = self.windows()
        augmenter = self.first_use.instance
        for variant in range(max(1, len(self.variants))):
            if augmenter.kind == "wave":
                length = augmenter.samples(len(wave(1.0)), variant)
                faults = [self.wave_fault("vary", outputs[f"{variant}.wave"], length)]
            else:
                faults = [
                    array_fault("transform (windows)", outputs[f"{variant}.windows"], np.float32, windows.shape),
                    array_fault("transform (targets)", outputs[f"{variant}.targets"], np.float32, targets.shape),
                ]
            if any(faults):
                return next(filter(None, faults))
        return ""

    def wave_fault(self, name: str, varied: object, length: int) -> str:
        """Say why `varied` is no finite int16 or float32 wave of that length; empty where it is."""
        dtype = np.int16 if isinstance(varied, np.ndarray) and varied.dtype == np.int16 else np.float32
        return array_fault(name, varied, dtype, (length,))


class FuserSubject(Subject):
    """A fuser of two members whose scores have different scales."""

    kind: ClassVar[Kind] = "fuser"

    @property
    def amounts(self) -> dict[str, int]:
        """Number of clips whose scores a use fits and fuses."""
        return {"fitted": len(self.scores()[1]), "fused": 12}

    def scores(self, seed: int = 5, clips: int = 24, faulty: int = 0) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return clip scores [float64, ``[clips, 2]``] and ids; both members score the first `faulty` clips higher."""
        rng = np.random.default_rng(seed)
        ids = tuple(IDS[i % len(IDS)] for i in range(clips))
        level = np.array([IDS.index(i) for i in ids])[:, None]
        scores = np.array([0.1, 100.0]) * (1 + level + 0.1 * rng.normal(size=(clips, 2)))
        scores[:faulty] += np.array([0.2, 200.0])
        return scores, ids

    def fit(self, instance: Any = None, *, seed: int = 5) -> Any:
        """Fit a new instance, or `instance` again; return it."""
        fuser = self.make() if instance is None else instance
        fuser.fit(*self.scores(seed))
        return fuser

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Fit and fuse."""
        (train, train_ids), (test, test_ids) = self.scores(), self.scores(6, 12, faulty=6)
        train_copy, test_copy = copy_of(train, read_only), copy_of(test, read_only)
        instance.fit(train_copy, train_ids)
        fused = instance.fuse(test_copy, test_ids)
        if read_only and not (np.array_equal(train_copy, train) and np.array_equal(test_copy, test)):
            raise Failed("its input scores were changed")
        return {"fused": fused}

    def fault(self, outputs: Arrays) -> str:
        """Fused scores are float64, one per clip, finite."""
        return array_fault("fuse", outputs["fused"], np.float64, (12,))


SUBJECTS: dict[Kind, type[Subject]] = {
    "detector": DetectorSubject,
    "featurizer": FeaturizerSubject,
    "augmenter": AugmenterSubject,
    "fuser": FuserSubject,
    "layout": LayoutSubject,
}
