"""Detectors under test."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from asdkit.api import DetectorConfig, Entry, Features, IntArray, JobOutline, State, Training, Windows, cut_windows
from asdkit.plugins import Kind
from asdkit.spec.settings import DetectorKeys
from asdkit.testing.listing import Failed, Inapplicable
from asdkit.testing.machine import IDS, Clips, clips_to_score, training_clips
from asdkit.testing.subject import Arrays, CountingContext, Subject, Use, guarded, shape_fault


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
