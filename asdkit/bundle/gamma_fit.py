"""Fit a gamma distribution with a location to scores, by maximum likelihood.

The likelihood has no maximum where the shape may be below 1: it grows without bound as the location approaches the
lowest score. Where scores lean to the left it has none either: it grows as the location moves away, towards that of a
normal distribution. The general optimiser of `scipy.stats.gamma.fit` then stops anywhere. Here the shape is 1 or more,
the best shape is computed for each location, and the normal limit is one of the candidates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]

_LOCATIONS, _GRIDS = 60, 4  # places of a grid; grids, each around the best place of the one before
_NEAREST, _FARTHEST = 1e-6, 1e3  # of a location below the lowest score [standard deviations]
_NEWTON_STEPS = 6
_SAME = 0.01  # difference of two log-likelihoods that scores do not tell apart


def gamma_quantile(scores: DoubleArray, share: float) -> float:
    """Return a quantile of the gamma distribution that fits scores best; its normal limit is one.

    Where scipy's fit is as good as any, it is kept: it is what the baselines of DCASE Task 2 use.

    Parameters
    ----------
    scores
        [float64, ``[scores]``] Three or more, that differ.
    share
        Share of the distribution below the quantile.
    """
    fits = list(candidates(scores, share))
    most_likely = max(likelihood for likelihood, _ in fits)
    return next(quantile for likelihood, quantile in fits if likelihood >= most_likely - _SAME)


def candidates(scores: DoubleArray, share: float) -> Iterator[tuple[float, float]]:
    """Yield the log-likelihood and the quantile of each fit: by scipy, by the best location, and the normal limit."""
    from scipy.stats import gamma, norm

    fits = [fit for fit in (_scipy_fit(scores), _best_location(scores)) if fit is not None]
    for shape, location, scale in fits:
        likelihood = float(gamma.logpdf(scores, shape, location, scale).sum())
        quantile = float(gamma.ppf(share, shape, location, scale))
        if np.isfinite(likelihood) and np.isfinite(quantile):
            yield likelihood, quantile
    mean, deviation = float(scores.mean()), float(scores.std())
    yield float(norm.logpdf(scores, mean, deviation).sum()), float(norm.ppf(share, mean, deviation))


def _scipy_fit(scores: DoubleArray) -> tuple[float, float, float] | None:
    """Return shape, location and scale by scipy; None if it fails, or its shape is below 1."""
    from scipy.stats import FitError, gamma

    try:
        with np.errstate(all="ignore"):
            shape, location, scale = map(float, gamma.fit(scores))
    except (FitError, ValueError, ArithmeticError):
        return None
    return (shape, location, scale) if shape >= 1 else None


def _best_location(scores: DoubleArray) -> tuple[float, float, float]:
    """Return shape, location and scale of the highest likelihood, with a shape of 1 or more."""
    lowest, deviation = float(scores.min()), float(scores.std())
    excess = (scores - lowest) / deviation
    grid = np.geomspace(_NEAREST, _FARTHEST, _LOCATIONS)
    for _ in range(_GRIDS):
        shapes, scales, likelihoods = _fits_above(excess, grid)
        best = int(likelihoods.argmax())
        found = float(shapes[best]), lowest - float(grid[best]) * deviation, float(scales[best]) * deviation
        grid = np.geomspace(grid[max(0, best - 1)], grid[min(best + 1, len(grid) - 1)], _LOCATIONS)
    return found


def _fits_above(excess: DoubleArray, gaps: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Fit shape and scale for each distance of the location below the lowest score.

    The shape ``a`` solves ``log a - digamma(a) = log(mean) - mean(log)``, by Newton's method from the start of Minka
    (*Estimating a Gamma distribution*, 2002).

    Returns
    -------
    shapes, scales, likelihoods
        [float64, ``[gaps]``]
    """
    from scipy.special import digamma, gammaln, polygamma

    above = excess + gaps[:, None]
    means, logs = above.mean(axis=1), np.log(above).mean(axis=1)
    target = np.maximum(np.log(means) - logs, 1e-300)
    shapes = (3 - target + np.sqrt((target - 3) ** 2 + 24 * target)) / (12 * target)
    for _ in range(_NEWTON_STEPS):
        slope = 1 / shapes - polygamma(1, shapes)
        shapes = np.maximum(shapes - (np.log(shapes) - digamma(shapes) - target) / slope, shapes / 2)
    shapes = np.maximum(shapes, 1.0)
    scales = means / shapes
    likelihoods = len(excess) * ((shapes - 1) * logs - shapes - shapes * np.log(scales) - gammaln(shapes))
    return shapes, scales, likelihoods
