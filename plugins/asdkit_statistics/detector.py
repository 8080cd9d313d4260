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
    """A detector that judges summaries of windows: how they differ from the mean of their id.

    What differs is standardised and judged by one model, in which all ids of the training clips share: with few clips
    an id, a model for each (``scope = "id"``) knows too little.

    A window that was in training is judged by a model fitted without its clip and those of the same fifth
    (cross-fitting): the nearest neighbour of a training window would otherwise be itself, and the scores of training
    clips, from which z-scores and thresholds follow, far lower than those of new normal clips. Such windows are
    recognised by their summary and id, so a score still depends on these alone. The only clip of an id cannot be left
    out, or nothing would be known of that id: it gets what others typically score.
    """

    def __init__(self, config: StatisticsConfig) -> None:
        self.config = config
        self._learnt: State | None = None

    @abstractmethod
    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Fit a model to standardised summaries [float32, ``[windows, numbers]``]: its arrays."""

    @abstractmethod
    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Score standardised summaries [float32, ``[windows, numbers]``] by a model; each on its own."""

    def blocks(self, summaries: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Summaries statistic by statistic [``[statistics, windows, bands]``]."""
        return np.stack(np.split(summaries, len(self._statistics()), axis=1))

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
        clips = windows.clip_of()
        of = training.classes[clips]
        known, first = np.unique(_marks(summaries, of), return_index=True)
        own = self._cross_fit(summaries, clips, of, ctx)[first]
        self._learnt = {
            "ids": list(training.real_ids),
            "statistics": self._statistics(),
            "training.marks": known,
            "training.scores": own,
            **self._model(summaries, of, ctx),
        }

    def _model(self, summaries: FloatArray, of: IntArray, ctx: Context) -> State:
        """Standardise summaries of ids [int64, ``[windows]``], and learn."""
        means = np.zeros((of.max() + 1, summaries.shape[1]))
        np.add.at(means, of, summaries)
        means /= np.maximum(np.bincount(of), 1)[:, None]
        deviation = np.sqrt(((summaries - means[of]) ** 2).mean(axis=0))
        deviation = np.maximum(deviation, _FLOOR * deviation.mean() or 1.0)
        state: State = {
            "standard.means": means.astype(np.float32),
            "standard.scale": (1 / deviation).astype(np.float32),
        }
        return state | self.learn(_standardised(summaries, of, state), ctx.seed_for("model") % 2**32)

    def _cross_fit(self, summaries: FloatArray, clips: IntArray, of: IntArray, ctx: Context) -> FloatArray:
        """Score each training window by a model that has not seen its clip [float32, ``[windows]``]."""
        fold = _folds(clips, of, ctx.rng("folds"))[clips]
        if fold.max() < 0:
            return self._judge(summaries, of, self._model(summaries, of, ctx))
        scores = np.empty(len(summaries), np.float32)
        for held in range(fold.max() + 1):
            if ctx.should_stop():
                raise Stopped("fitting was stopped")
            out = fold == held
            scores[out] = self._judge(summaries[out], of[out], self._model(summaries[~out], of[~out], ctx))
        scores[fold < 0] = np.median(scores[fold >= 0])
        return scores

    def _judge(self, summaries: FloatArray, of: IntArray, model: State) -> FloatArray:
        return self.judge(_standardised(summaries, of, model), model).astype(np.float32)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows under their clips' ids; see `asdkit.api.Detector`."""
        learnt = self.state()
        names = learnt["ids"]
        assert isinstance(names, list)
        of = np.array([names.index(id_) for id_ in ids], np.int64)[windows.clip_of()]
        summaries = summarise(features, windows, self.config.statistics, ctx)
        scores = np.empty(len(summaries), np.float32)
        for index in np.unique(of):
            rows = np.flatnonzero(of == index)
            scores[rows] = self._score_as(summaries[rows], index, learnt)
        return scores

    def _score_as(self, summaries: FloatArray, index: int, learnt: State) -> FloatArray:
        """Score as an id's, training windows of that id by what a model without them said."""
        of = np.full(len(summaries), index)
        known, own = learnt["training.marks"], learnt["training.scores"]
        assert isinstance(known, np.ndarray)
        assert isinstance(own, np.ndarray)
        marks = _marks(summaries, of)
        place = np.minimum(np.searchsorted(known, marks), len(known) - 1)
        return np.where(known[place] == marks, own[place], self._judge(summaries, of, learnt))

    def state(self) -> State:
        """What was learnt; see `asdkit.api.Detector`."""
        if self._learnt is None:
            raise NotFitted("a detector must be fitted or loaded before it can score")
        return dict(self._learnt)

    def load(self, state: State) -> None:
        """Take back what `state` gave; see `asdkit.api.Detector`."""
        learnt, expected = state.get("statistics"), self._statistics()
        if learnt != expected:  # or of a version before these were kept, whose scores were others
            raise ValueError(f"it learnt of the statistics {learnt}; expected {expected}")
        self._learnt = dict(state)

    def _statistics(self) -> list[str]:
        return list(dict.fromkeys(self.config.statistics))


def pooled_logs(distances: npt.NDArray[np.floating], bands: int) -> npt.NDArray[np.floating]:
    """Pool distances [``[statistics, windows]``] into ``mean(log(1 + distance**2 / bands))`` [``[windows]``].

    Healthy recordings of another day may lie far off in one statistic, and a sum of squares would be all that one's.
    In standardised units a usual ``distance**2`` is about 1 a band; one that is nearly 0 takes off no more than log 2.
    """
    pooled: npt.NDArray[np.floating] = np.log1p(np.square(distances.astype(np.float64)) / bands).mean(axis=0)
    return pooled


def array(model: State, name: str) -> npt.NDArray[np.float32]:
    """An array of a model."""
    value = model[name]
    assert isinstance(value, np.ndarray)
    return value


def _standardised(summaries: FloatArray, of: IntArray, model: State) -> FloatArray:
    return (summaries - array(model, "standard.means")[of]) * array(model, "standard.scale")


def _folds(clips: IntArray, of: IntArray, rng: np.random.Generator) -> IntArray:
    """Part of each clip [int64, ``[clips]``], each id's clips spread over all; -1 for the only clip of an id."""
    fold = np.full(clips.max() + 1, -1, np.int64)
    for id_ in np.unique(of):
        names = rng.permutation(np.unique(clips[of == id_]))
        if len(names) > 1:
            fold[names] = np.arange(len(names)) % _FOLDS
    return fold


def _marks(summaries: FloatArray, of: IntArray) -> IntArray:
    """A 63-bit mark of each summary as an id's: equal for equal ones, and hardly ever else [int64, ``[windows]``]."""
    bits = np.ascontiguousarray(np.column_stack([summaries, of.astype(np.float32)])).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    sums: npt.NDArray[np.uint64] = ((bits + 1) * factors).sum(axis=1, dtype=np.uint64)
    return (sums >> np.uint64(1)).astype(np.int64)
