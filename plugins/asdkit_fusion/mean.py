"""Fusion by the mean of scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asdkit.api import State
from asdkit_fusion.config import MeanConfig

DoubleArray = npt.NDArray[np.float64]


class Mean:
    """Fuser ``mean``: the mean of the members' clip scores, as they are.

    For members whose scores have the same scale, such as several of the detector `mahalanobis` over different features
    and statistics: all are logs of distances in standard units. With few training clips, the means and deviations of
    the fuser ``z-score`` are themselves uncertain. Nothing is fitted.
    """

    def __init__(self, config: MeanConfig) -> None:
        self.config = config

    def fit(self, train_scores: DoubleArray, ids: Sequence[str]) -> None:
        """Nothing is fitted."""

    def fuse(self, scores: DoubleArray, ids: Sequence[str]) -> DoubleArray:
        """Mean of the members' scores of each clip; see `asdkit.api.Fuser`."""
        return np.asarray(scores.mean(axis=1))

    def fuse_subset(self, scores: DoubleArray, ids: Sequence[str], members: Sequence[int]) -> DoubleArray:
        """Mean of the scores of some members; see `asdkit.api.Fuser`."""
        return self.fuse(scores, ids)

    def state(self) -> State:
        """Return nothing; see `asdkit.api.Fuser`."""
        return {}

    def load(self, state: State) -> None:
        """Restore nothing."""
