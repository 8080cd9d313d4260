"""Gaussian mixture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, State
from asdkit_statistics.config import GmmConfig
from asdkit_statistics.detector import StatisticsDetector, array

_LEAST_VARIANCE = 1e-2  # added to each variance, in standardised units


class Gmm(StatisticsDetector):
    """Detector ``gmm``: negative log-likelihood a number, under Gaussians with diagonal covariances."""

    config: GmmConfig

    def learn(self, summaries: FloatArray, seed: int) -> State:
        """Fit the mixture by expectation maximisation."""
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(
            min(self.config.components, len(np.unique(summaries, axis=0))),
            covariance_type="diag",
            reg_covar=_LEAST_VARIANCE,
            random_state=seed,
            max_iter=500,
        ).fit(np.repeat(summaries, 2, axis=0) if len(summaries) < 2 else summaries)
        return {"weights": mixture.weights_, "means": mixture.means_, "variances": mixture.covariances_}

    def judge(self, summaries: FloatArray, model: State) -> npt.NDArray[np.floating]:
        """Negative log-likelihood, divided by how many numbers a summary has."""
        from scipy.special import logsumexp

        weights, means, variances = (array(model, name) for name in ("weights", "means", "variances"))
        logs = np.empty((len(summaries), len(weights)))
        for component, (weight, mean, variance) in enumerate(zip(weights, means, variances, strict=True)):
            square = (summaries - mean) ** 2 / variance
            logs[:, component] = np.log(weight) - 0.5 * (square + np.log(2 * np.pi * variance)).sum(axis=1)
        nll: npt.NDArray[np.floating] = -logsumexp(logs, axis=1) / summaries.shape[1]
        return nll
