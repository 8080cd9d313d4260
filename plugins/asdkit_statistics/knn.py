"""Nearest neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, State
from asdkit_statistics.config import KnnConfig
from asdkit_statistics.detector import StatisticsDetector, array, pooled_logs


class Knn(StatisticsDetector):
    """Detector ``knn``: mean Euclidean distance to the nearest training windows.

    Each statistic has nearest windows of its own; `pooled_logs` of their distances is the score.
    """

    config: KnnConfig

    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Keep the summaries."""
        return {"neighbours": summaries}

    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Mean distances to the nearest neighbours."""
        from sklearn.neighbors import NearestNeighbors

        kept = array(model, "neighbours")
        search = NearestNeighbors(n_neighbors=min(self.config.neighbours, len(kept)))
        near, far = self.blocks(kept), self.blocks(summaries)
        distances = [search.fit(own).kneighbors(new)[0].mean(axis=1) for own, new in zip(near, far, strict=True)]
        return pooled_logs(np.array(distances), near.shape[2])
