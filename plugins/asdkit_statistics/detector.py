"""What the classical detectors share: summaries, standardisation, and honest scores of training windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asdkit.api import (
    AsdkitError,
    Context,
    Features,
    FloatArray,
    IntArray,
    NotFitted,
    State,
    Stopped,
    Training,
    Windows,
)
from asdkit_statistics.config import StatisticsConfig
from asdkit_statistics.summary import summarise

_FOLDS = 5
_FLOOR = 1e-2  # of the mean deviation: what a statistic that hardly varies is divided by


class StatisticsDetector(ABC):
    """A detector that judges summaries of windows, standardised over the training windows.

    A window that was in training is judged by a model fitted without its clip and those of the same fifth
    (cross-fitting): the nearest neighbour of a training window would otherwise be itself, and the scores of training
    clips, from which z-scores and thresholds follow, far lower than those of new normal clips. Such windows are
    recognised by their summary, so a score still depends on the window alone.
    """

    def __init__(self, config: StatisticsConfig) -> None:
        self.config = config
        self._learnt: State | None = None

    @abstractmethod
    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Fit a model to summaries [float32, ``[windows, numbers]``]: its arrays."""

    @abstractmethod
    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Score summaries [float32, ``[windows, numbers]``] by a model; each on its own."""

    def fit(self, training: Training, ctx: Context) -> None:
        """Learn from the real training clips; see `asdkit.api.Detector`."""
        self._learnt = None
        rows = slice(0, int(training.windows.offsets[training.real]))
        windows = Windows(
            training.windows.starts[rows], training.windows.offsets[: training.real + 1], training.windows.frames
        )
        if not len(windows):
            raise AsdkitError("no training clip is as long as a window", hint="Use fewer frames.")
        features = training.features.select(0, training.real)
        summaries = summarise(features, windows, self.config.statistics, ctx)
        known, first = np.unique(_marks(summaries), return_index=True)
        own = self._cross_fit(summaries, windows.clip_of(), ctx)[first]
        model = self._model(summaries, ctx)
        self._learnt = {"training.marks": known, "training.scores": own.astype(np.float32), **model}

    def _model(self, summaries: FloatArray, ctx: Context) -> State:
        """Standardise and learn."""
        deviation = summaries.std(axis=0, dtype=np.float64)
        deviation = np.maximum(deviation, _FLOOR * deviation.mean() or 1.0)
        state: State = {
            "standard.mean": summaries.mean(axis=0, dtype=np.float64).astype(np.float32),
            "standard.scale": (1 / deviation).astype(np.float32),
        }
        return state | self.learn(_standardised(summaries, state), ctx.seed_for("model") % 2**32)

    def _cross_fit(self, summaries: FloatArray, clips: IntArray, ctx: Context) -> FloatArray:
        """Score each training window by a model that has not seen its clip [float32, ``[windows]``]."""
        names = np.unique(clips)
        folds = min(_FOLDS, len(names))
        if folds < 2:
            return np.asarray(self._judge(summaries, self._model(summaries, ctx)))
        fold = np.empty(clips.max() + 1, np.int64)
        fold[ctx.rng("folds").permutation(names)] = np.arange(len(names)) % folds
        scores = np.empty(len(summaries), np.float32)
        for held in range(folds):
            if ctx.should_stop():
                raise Stopped("fitting was stopped")
            out = fold[clips] == held
            scores[out] = self._judge(summaries[out], self._model(summaries[~out], ctx))
        return scores

    def _judge(self, summaries: FloatArray, model: State) -> FloatArray:
        return self.judge(_standardised(summaries, model), model).astype(np.float32)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows, whatever their id; see `asdkit.api.Detector`."""
        learnt = self.state()
        summaries = summarise(features, windows, self.config.statistics, ctx)
        scores = self._judge(summaries, learnt)
        known, own = learnt["training.marks"], learnt["training.scores"]
        assert isinstance(known, np.ndarray)
        assert isinstance(own, np.ndarray)
        marks = _marks(summaries)
        place = np.minimum(np.searchsorted(known, marks), len(known) - 1)
        return np.where(known[place] == marks, own[place], scores)

    def state(self) -> State:
        """What was learnt; see `asdkit.api.Detector`."""
        if self._learnt is None:
            raise NotFitted("a detector must be fitted or loaded before it can score")
        return dict(self._learnt)

    def load(self, state: State) -> None:
        """Take back what `state` gave; see `asdkit.api.Detector`."""
        self._learnt = dict(state)


def array(model: State, name: str) -> npt.NDArray[np.float32]:
    """An array of a model."""
    value = model[name]
    assert isinstance(value, np.ndarray)
    return value


def _standardised(summaries: FloatArray, model: State) -> FloatArray:
    return (summaries - array(model, "standard.mean")) * array(model, "standard.scale")


def _marks(summaries: FloatArray) -> IntArray:
    """A 63-bit mark of each summary: equal for equal summaries, and hardly ever else [int64, ``[windows]``]."""
    bits = np.ascontiguousarray(summaries).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    sums: npt.NDArray[np.uint64] = ((bits + 1) * factors).sum(axis=1, dtype=np.uint64)
    return (sums >> np.uint64(1)).astype(np.int64)
