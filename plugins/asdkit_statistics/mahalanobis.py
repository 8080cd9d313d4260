"""Mahalanobis distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import State
from asdkit_statistics.config import MahalanobisConfig
from asdkit_statistics.detector import Blocks, StatisticsDetector, array, one_sided, pooled_logs

_RIDGE = 1e-6  # keeps a covariance of one window, which is zero, invertible


class Mahalanobis(StatisticsDetector):
    """Detector ``mahalanobis``: distance under the covariance of training windows, shrunk by Ledoit and Wolf 2004.

    Each statistic has a covariance, and thus a shrinkage, of its own: with few clips the covariance between statistics
    is mostly noise, and one shrinkage for all suits none of them. With standardised differences z of a statistic of n
    numbers, and covariance C = L L', the score is the mean over statistics of ``log(1 + |inv(L) z|**2 / n)``; `side`
    replaces z by its positive or negative part.
    """

    config: MahalanobisConfig
    scoring_options = (*StatisticsDetector.scoring_options, "side")

    def fit_model(self, blocks: Blocks, seed: int) -> State:
        """Fit the covariances; keep ``inv(L)`` of each, ``whiten.0``, ... [float32, ``[numbers, numbers]``]."""
        from sklearn.covariance import ledoit_wolf

        model: State = {}
        for index, block in enumerate(blocks):
            several = block if len(block) > 1 else np.repeat(block, 2, axis=0)  # scikit-learn warns of one
            covariance = ledoit_wolf(several.astype(np.float64), assume_centered=True)[0]
            root = np.linalg.cholesky(covariance + _RIDGE * np.eye(len(covariance)))
            model[f"whiten.{index}"] = np.linalg.inv(root).astype(np.float32)
        return model

    def score_blocks(self, blocks: Blocks, model: State) -> npt.NDArray[np.floating]:
        """Pool the lengths of the whitened differences."""
        lengths = []
        for index, block in enumerate(blocks):
            whitened = np.matmul(one_sided(block, self.config.side), array(model, f"whiten.{index}").T)
            lengths.append(np.linalg.norm(whitened, axis=1))
        return pooled_logs(lengths, [block.shape[1] for block in blocks])

    def load(self, state: State) -> None:
        """Restore what `state` returned; earlier versions kept all matrices in one array ``whiten``."""
        stacked = state.get("whiten")
        if isinstance(stacked, np.ndarray):
            apart = {f"whiten.{index}": matrix for index, matrix in enumerate(stacked)}
            state = {name: value for name, value in state.items() if name != "whiten"} | apart
        super().load(state)
