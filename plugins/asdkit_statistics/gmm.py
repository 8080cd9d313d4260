"""Gaussian mixture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import State
from asdkit_statistics.config import GmmConfig
from asdkit_statistics.detector import Blocks, StatisticsDetector, array

_LEAST_VARIANCE = 1e-2  # added to each variance, in standardised units


class Gmm(StatisticsDetector):
    """Detector ``gmm``: negative log-likelihood, divided by the count of numbers; diagonal covariances.

    All statistics of a window are one vector z of n numbers; the score is ``-log(sum_k w_k N(z; m_k, v_k)) / n``.
    """

    config: GmmConfig

    def fit_model(self, blocks: Blocks, seed: int) -> State:
        """Fit the mixture by expectation maximisation."""
        from sklearn.mixture import GaussianMixture

        summaries = np.concatenate(blocks, axis=1)
        mixture = GaussianMixture(
            min(self.config.components, len(np.unique(summaries, axis=0))),
            covariance_type="diag",
            reg_covar=_LEAST_VARIANCE,
            random_state=seed,
            max_iter=500,
        ).fit(np.repeat(summaries, 2, axis=0) if len(summaries) < 2 else summaries)
        return {"weights": mixture.weights_, "means": mixture.means_, "variances": mixture.covariances_}

    def score_blocks(self, blocks: Blocks, model: State) -> npt.NDArray[np.floating]:
        """Negative log-likelihood, divided by the count of numbers."""
        from scipy.special import logsumexp

        summaries = np.concatenate(blocks, axis=1)
        weights, means, variances = (array(model, name) for name in ("weights", "means", "variances"))
        logs = np.empty((len(summaries), len(weights)))
        for component, (weight, mean, variance) in enumerate(zip(weights, means, variances, strict=True)):
            square = (summaries - mean) ** 2 / variance
            logs[:, component] = np.log(weight) - 0.5 * (square + np.log(2 * np.pi * variance)).sum(axis=1)
        nll: npt.NDArray[np.floating] = -logsumexp(logs, axis=1) / summaries.shape[1]
        return nll
