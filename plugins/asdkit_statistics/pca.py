"""Residual of principal components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import State
from asdkit_statistics.config import PcaConfig
from asdkit_statistics.detector import Blocks, StatisticsDetector, array, one_sided, pooled_logs


class Pca(StatisticsDetector):
    """Detector ``pca``: distance from the leading principal components of the training windows.

    With standardised differences z of a statistic of n numbers and its k leading components V [``[k, n]``], the score
    is the mean over statistics of ``log(1 + |z - V'V z|**2 / n)``; `side` replaces the residual by its positive or
    negative part. k is `share` of n or of the training windows, whichever are fewer, at least 1, and at most n - 1.
    """

    config: PcaConfig
    scoring_options = (*StatisticsDetector.scoring_options, "side")

    def fit_model(self, blocks: Blocks, seed: int) -> State:
        """Fit the components of each statistic, ``components.0``, ... [float32, ``[k, numbers]``]."""
        model: State = {}
        for index, block in enumerate(blocks):
            leading = np.linalg.svd(block.astype(np.float64), full_matrices=False)[2]
            count = min(max(1, int(self.config.share * min(block.shape))), block.shape[1] - 1)
            model[f"components.{index}"] = leading[:count].astype(np.float32)
        return model

    def score_blocks(self, blocks: Blocks, model: State) -> npt.NDArray[np.floating]:
        """Pool the lengths of the residuals."""
        lengths = []
        for index, block in enumerate(blocks):
            components = array(model, f"components.{index}")
            residual = block - np.matmul(np.matmul(block, components.T), components)
            lengths.append(np.linalg.norm(one_sided(residual, self.config.side), axis=1))
        return pooled_logs(lengths, [block.shape[1] for block in blocks])
