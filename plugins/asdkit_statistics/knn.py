"""Nearest neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, State
from asdkit_statistics.config import KnnConfig
from asdkit_statistics.detector import StatisticsDetector, array


class Knn(StatisticsDetector):
    """Detector ``knn``: mean Euclidean distance to the nearest training windows."""

    config: KnnConfig

    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Keep the summaries."""
        return {"neighbours": summaries}

    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Mean distance to the nearest neighbours."""
        from sklearn.neighbors import NearestNeighbors

        kept = array(model, "neighbours")
        search = NearestNeighbors(n_neighbors=min(self.config.neighbours, len(kept))).fit(kept)
        distances: npt.NDArray[np.floating] = search.kneighbors(summaries)[0].mean(axis=1)
        return distances
