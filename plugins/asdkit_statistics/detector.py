"""What the classical detectors share: summaries, standardisation, and cross-fitted scores of training windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from asdkit.api import (
    AsdkitError,
    BaseDetector,
    Context,
    Features,
    FloatArray,
    IntArray,
    State,
    Training,
    Windows,
)
from asdkit_statistics.config import Side, StatisticsConfig
from asdkit_statistics.summary import distinct, summarise, widths

_FOLDS = 5
_FLOOR = 1e-2  # of the mean deviation: what a statistic that hardly varies is divided by

Blocks = list[FloatArray]
"""Standardised summaries, an array [float32, ``[windows, numbers]``] for each statistic."""


class StatisticsDetector(BaseDetector, ABC):
    """A detector that scores summaries of windows: their differences from the mean of their id.

    Differences are standardised and scored by one model for all ids of the training clips: with few clips an id, a
    model for each (``scope = "id"``) has too few.

    Training windows get the scores of a model that was fitted without their clip and those of the same fifth
    (cross-fitting): the nearest neighbour of a training window would otherwise be itself, and the scores of training
    clips, from which z-scores and thresholds follow, far lower than those of new normal clips. Such windows are
    recognised by their summary and id, so a score still depends on these alone. The only clip of an id cannot be left
    out, because its id would have no mean: it gets the median score.
    """

    scoring_options: ClassVar[tuple[str, ...]] = ("rank_decay",)
    """Options that scores of a fitted model depend on; a state fitted with other values is refused."""

    config: StatisticsConfig

    @property
    def centred(self) -> bool:
        """Whether summaries are differences from their id's mean; otherwise the mean of all ids is added to these."""
        return True

    @abstractmethod
    def fit_model(self, blocks: Blocks, seed: int) -> State:
        """Fit a model to standardised summaries: its arrays."""

    @abstractmethod
    def score_blocks(self, blocks: Blocks, model: State) -> npt.NDArray[np.floating]:
        """Score standardised summaries with a model, each window on its own [``[windows]``]."""

    def learn(self, training: Training, ctx: Context) -> State:
        """Fit to the real training clips; see `asdkit.api.BaseDetector`."""
        rows = slice(0, int(training.windows.offsets[training.real]))
        windows = Windows(
            training.windows.starts[rows], training.windows.offsets[: training.real + 1], training.windows.frames
        )
        if not len(windows):
            raise AsdkitError("no training clip is as long as a window", hint="Use fewer frames.")
        features = training.features.select(0, training.real)
        summaries = summarise(features, windows, self.config, ctx)
        clips = windows.clip_of()
        id_of = training.classes[clips]
        marks, first = np.unique(_marks(summaries, id_of), return_index=True)
        sizes = widths(self.config, features.bands)
        scores = self._cross_fit(summaries, sizes, clips, id_of, ctx)[first]
        return {
            "ids": list(training.real_ids),
            "statistics": list(distinct(self.config)),
            **{name: getattr(self.config, name) for name in self.scoring_options},
            "widths": sizes,
            "training.marks": marks,
            "training.scores": scores,
            **self._fit_standardised(summaries, sizes, id_of, ctx),
        }

    def _fit_standardised(self, summaries: FloatArray, sizes: IntArray, id_of: IntArray, ctx: Context) -> State:
        """Fit the standardisation by ids [int64, ``[windows]``], and the model."""
        means = np.zeros((id_of.max() + 1, summaries.shape[1]))
        np.add.at(means, id_of, summaries)
        means /= np.maximum(np.bincount(id_of), 1)[:, None]
        deviation = np.sqrt(((summaries - means[id_of]) ** 2).mean(axis=0))
        deviation = np.maximum(deviation, _FLOOR * deviation.mean() or 1.0)
        state: State = {
            "widths": sizes,
            "standard.means": means.astype(np.float32),
            "standard.scale": (1 / deviation).astype(np.float32),
        }
        return state | self.fit_model(self._standardised(summaries, id_of, state), ctx.seed_for("model") % 2**32)

    def _cross_fit(
        self, summaries: FloatArray, sizes: IntArray, clips: IntArray, id_of: IntArray, ctx: Context
    ) -> FloatArray:
        """Score each training window by a model fitted without its clip [float32, ``[windows]``]."""
        fold = _folds(clips, id_of, ctx.rng("folds"))[clips]
        if fold.max() < 0:
            return self._score(summaries, id_of, self._fit_standardised(summaries, sizes, id_of, ctx))
        scores = np.empty(len(summaries), np.float32)
        for held in range(fold.max() + 1):
            ctx.raise_if_stopped()
            out = fold == held
            model = self._fit_standardised(summaries[~out], sizes, id_of[~out], ctx)
            scores[out] = self._score(summaries[out], id_of[out], model)
        scores[fold < 0] = np.median(scores[fold >= 0])
        return scores

    def _score(self, summaries: FloatArray, id_of: IntArray, model: State) -> FloatArray:
        return self.score_blocks(self._standardised(summaries, id_of, model), model).astype(np.float32)

    def _standardised(self, summaries: FloatArray, id_of: IntArray, model: State) -> Blocks:
        """Differences from the means of the ids, divided by the deviations; an array for each statistic."""
        means = array(model, "standard.means")
        differences = summaries - means[id_of]
        if not self.centred:
            differences += means.mean(axis=0)
        return split(differences * array(model, "standard.scale"), array(model, "widths"))

    def score_windows(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows under their clips' ids; see `asdkit.api.BaseDetector`."""
        fitted = self.fitted
        names = fitted["ids"]
        assert isinstance(names, list)
        id_of = np.array([names.index(id_) for id_ in ids], np.int64)[windows.clip_of()]
        summaries = summarise(features, windows, self.config, ctx)
        scores = np.empty(len(summaries), np.float32)
        for index in np.unique(id_of):
            rows = np.flatnonzero(id_of == index)
            scores[rows] = self._score_as(summaries[rows], index, fitted)
        return scores

    def _score_as(self, summaries: FloatArray, index: int, fitted: State) -> FloatArray:
        """Score as windows of an id; training windows of that id get their cross-fitted scores."""
        id_of = np.full(len(summaries), index)
        known, cross_fitted = array(fitted, "training.marks"), array(fitted, "training.scores")
        marks = _marks(summaries, id_of)
        place = np.minimum(np.searchsorted(known, marks), len(known) - 1)
        return np.where(known[place] == marks, cross_fitted[place], self._score(summaries, id_of, fitted))

    def recentred_state(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> State:
        """Return the state with means of other clips; see `asdkit.api.Detector`. Deviations and model stay."""
        state = dict(self.state())
        names = state["ids"]
        assert isinstance(names, list)
        summaries = summarise(features, windows, self.config, ctx)
        id_of = np.array([names.index(id_) for id_ in ids], np.int64)[windows.clip_of()]
        means = array(state, "standard.means").copy()
        for index in np.unique(id_of):
            means[index] = summaries[id_of == index].mean(axis=0, dtype=np.float64)
        return {**state, "standard.means": means}

    def load(self, state: State) -> None:
        """Restore what `state` returned; see `asdkit.api.Detector`."""
        fitted, expected = state.get("statistics"), list(distinct(self.config))
        if fitted != expected:  # or of a version before these were kept, whose scores were others
            raise ValueError(f"it was fitted to the statistics {fitted}; expected {expected}")
        for name in self.scoring_options:
            default = type(self.config).model_fields[name].default  # of states from before the option existed
            fitted, expected_value = state.get(name, default), getattr(self.config, name)
            if fitted != expected_value:
                raise ValueError(f"it was fitted with {name} = {fitted!r}; expected {expected_value!r}")
        equal = np.full(len(expected), array(state, "standard.scale").size // len(expected))  # before `modulation`
        super().load({"widths": equal, **state})


def one_sided(differences: npt.NDArray[np.floating], side: Side) -> npt.NDArray[np.floating]:
    """Differences from healthy windows that count as abnormal: all, or only positive or negative ones, others as 0.

    A fault adds energy, or takes tonal lines away. A quieter or duller recording does neither, but is as far off.
    """
    if side == "both":
        return differences
    return np.asarray(np.maximum(differences, 0) if side == "above" else np.minimum(differences, 0))


def pooled_logs(distances: Sequence[npt.NDArray[np.floating]], squares: Sequence[float]) -> npt.NDArray[np.floating]:
    """Pool the distances [``[windows]``] of each statistic into ``mean(log(1 + distance**2 / square))``.

    Healthy recordings of another day may lie far off in one statistic, and a sum of squares would be all that one's.
    `squares` are usual squared distances: in standardised units, the number of numbers. A distance that is nearly 0
    takes off no more than log 2. Differences of distances may be negative; their logs get the same sign.
    """
    logs = [
        np.copysign(np.log1p(np.square(distance.astype(np.float64)) / square), distance)
        for distance, square in zip(distances, squares, strict=True)
    ]
    return np.asarray(np.array(logs).mean(axis=0))


def array(state: State, name: str) -> npt.NDArray[Any]:
    """An array of a state."""
    value = state[name]
    assert isinstance(value, np.ndarray)
    return value


def split(summaries: FloatArray, sizes: IntArray) -> Blocks:
    """Columns of each statistic [float32, ``[windows, size]``]."""
    return [np.ascontiguousarray(block) for block in np.split(summaries, np.cumsum(sizes)[:-1], axis=1)]


def _folds(clips: IntArray, id_of: IntArray, rng: np.random.Generator) -> IntArray:
    """Fold of each clip [int64, ``[clips]``], each id's clips spread over all; -1 for the only clip of an id."""
    fold = np.full(clips.max() + 1, -1, np.int64)
    for id_ in np.unique(id_of):
        names = rng.permutation(np.unique(clips[id_of == id_]))
        if len(names) > 1:
            fold[names] = np.arange(len(names)) % _FOLDS
    return fold


def _marks(summaries: FloatArray, id_of: IntArray) -> IntArray:
    """A 63-bit hash of each summary and id [int64, ``[windows]``]."""
    columns = np.column_stack([summaries, id_of.astype(np.float32)])
    bits = np.ascontiguousarray(columns).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    sums: npt.NDArray[np.uint64] = ((bits + 1) * factors).sum(axis=1, dtype=np.uint64)
    return (sums >> np.uint64(1)).astype(np.int64)
