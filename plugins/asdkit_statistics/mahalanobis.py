"""Mahalanobis distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, State
from asdkit_statistics.config import MahalanobisConfig
from asdkit_statistics.detector import StatisticsDetector, array, pooled_logs

_RIDGE = 1e-6  # keeps a covariance of one window, which is zero, invertible


class Mahalanobis(StatisticsDetector):
    """Detector ``mahalanobis``: distance under the covariance of training windows, shrunk by Ledoit and Wolf 2004.

    Each statistic has a covariance, and thus a shrinkage, of its own; `pooled_logs` of their distances is the score. Of
    few clips the covariance between statistics is mostly noise, and one shrinkage for all suits none of them.
    """

    config: MahalanobisConfig

    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Fit the covariances; keep a square root of the inverse of each [float32, ``[statistics, bands, bands]``]."""
        from sklearn.covariance import ledoit_wolf

        several = summaries if len(summaries) > 1 else np.repeat(summaries, 2, axis=0)  # scikit-learn warns of one
        roots = []
        for block in self.blocks(several.astype(np.float64)):
            covariance = ledoit_wolf(block, assume_centered=True)[0]
            roots.append(np.linalg.cholesky(covariance + _RIDGE * np.eye(len(covariance))))
        return {"whiten": np.linalg.inv(roots).astype(np.float32)}

    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Lengths of the whitened summaries, which are centred already."""
        whitened = np.matmul(self.blocks(summaries), array(model, "whiten").transpose(0, 2, 1))
        return pooled_logs(np.linalg.norm(whitened, axis=2), whitened.shape[2])
