"""Mahalanobis distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, State
from asdkit_statistics.config import MahalanobisConfig
from asdkit_statistics.detector import StatisticsDetector, array

_RIDGE = 1e-6  # keeps a covariance of one window, which is zero, invertible


class Mahalanobis(StatisticsDetector):
    """Detector ``mahalanobis``: distance under the covariance of training windows, shrunk by Ledoit and Wolf 2004."""

    config: MahalanobisConfig

    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Fit the covariance; keep a square root of its inverse."""
        from sklearn.covariance import ledoit_wolf

        several = summaries if len(summaries) > 1 else np.repeat(summaries, 2, axis=0)  # scikit-learn warns of one
        covariance = ledoit_wolf(several.astype(np.float64), assume_centered=True)[0]
        root = np.linalg.cholesky(covariance + _RIDGE * np.eye(len(covariance)))
        return {"whiten": np.linalg.inv(root).astype(np.float32)}

    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Length of the whitened summaries; they are centred already."""
        lengths: npt.NDArray[np.floating] = np.linalg.norm(summaries @ array(model, "whiten").T, axis=1)
        return lengths
