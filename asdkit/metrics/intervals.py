"""Confidence intervals of a single AUC: DeLong's variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.metrics.roc import FloatArray

LEVEL = 0.95
_Z = 1.959964  # normal quantile of both tails at this level
_HIGH = 0.9
"""AUCs above which DeLong's variance, the spread of what few clips are in the wrong place, says too little."""


@dataclass(frozen=True)
class Interval:
    """Where the figure of endlessly many such clips may lie, at the level of `LEVEL`."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def delong(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Interval:
    """95 % interval of the AUC by DeLong's variance, fit for few clips and for AUCs near 1.

    The AUC is a share (of pairs in the right order), so the interval is Wilson's, for as many independent trials as
    have DeLong's variance, with Student's quantile for that variance's degrees of freedom (Satterthwaite). Where
    every pair is in the right order, and the variance 0, there are as many trials as clips in the smaller class.

    Above 0.9 the interval reaches to Newcombe's as well, whose variance follows from the AUC itself: few clips in the
    wrong place say little of how the next may lie.

    Parameters
    ----------
    labels, scores
        As for `roc_curve`; at least two clips of each class.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 44 (1988). Wilson, "Probable inference", JASA 22 (1927). Newcombe, "Confidence
    intervals for an effect size measure based on the Mann-Whitney statistic, part 2" (method 5), Statistics in
    Medicine 25 (2006).
    """
    from scipy.special import stdtrit

    truth = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    normal, anomaly = values[~truth], values[truth]
    fewest = min(len(normal), len(anomaly))
    if fewest < 2:
        raise ValueError("an interval needs two clips of each class")
    won, beaten = _above(anomaly, normal), 1 - _above(normal, anomaly)
    area = float(won.mean())
    parts = (float(won.var(ddof=1)) / len(won), float(beaten.var(ddof=1)) / len(beaten))
    variance = sum(parts)
    if variance > 0:
        trials = area * (1 - area) / variance
        freedom = variance**2 / (parts[0] ** 2 / (len(won) - 1) + parts[1] ** 2 / (len(beaten) - 1))
    else:
        trials, freedom = float(fewest), float(fewest - 1)
    z = float(stdtrit(freedom, 0.5 + LEVEL / 2))
    centre = area + z**2 / (2 * trials)
    reach = z * math.sqrt(area * (1 - area) / trials + (z / (2 * trials)) ** 2)
    shrink = 1 + z**2 / trials
    low, high = (centre - reach) / shrink, min(1.0, (centre + reach) / shrink)
    if area > _HIGH:
        ends = (_newcombe(area, len(normal), len(anomaly), end) for end in (0.0, 1.0))
        low, high = min(low, next(ends)), max(high, next(ends))
    return Interval(low, high)


def _newcombe(area: float, n_normal: int, n_anomaly: int, end: float) -> float:
    """Furthest AUC towards `end` from which `area` is within the normal quantile, by bisection."""
    n = (n_normal + n_anomaly) / 2 - 1

    def holds(true: float) -> bool:
        pairs = 1 + n * (1 - true) / (2 - true) + n * true / (1 + true)
        return (area - true) ** 2 <= _Z**2 * true * (1 - true) * pairs / (n_normal * n_anomaly)

    inside, outside = area, end
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside


def _above(these: FloatArray, those: FloatArray) -> FloatArray:
    """Share of `those` that each of `these` lies above; ties count one half."""
    ordered = np.sort(those)
    below = np.searchsorted(ordered, these, "left") + np.searchsorted(ordered, these, "right")
    return np.asarray(below / (2 * len(those)), dtype=np.float64)
