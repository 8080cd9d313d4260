"""Confidence interval of a single AUC by DeLong's variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.metrics.roc import FloatArray

LEVEL = 0.95
_Z = 1.959964  # two-sided normal quantile at this level
_HIGH = 0.9  # above this AUC, DeLong's variance depends on the few misplaced clips and is too small


@dataclass(frozen=True)
class Interval:
    """A confidence interval at `LEVEL` for the figure of the population that the clips are drawn from."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def delong(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Interval:
    """Compute the 95 % interval of an AUC by DeLong's variance, also for few clips and AUCs near 1.

    An AUC is a share (of correctly ordered pairs), so the interval is Wilson's for the number of independent trials
    with DeLong's variance, with Student's quantile at the degrees of freedom of that variance (Satterthwaite). If
    every pair is in the right order, and the variance 0, the number of trials is that of clips in the smaller class.

    Above 0.9 the interval is widened to include Newcombe's, whose variance follows from the AUC itself: a few
    misplaced clips say little about where the next ones lie.

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

    Examples
    --------
    >>> from asdkit.metrics import delong
    >>> interval = delong([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.5, 0.4, 0.8, 0.9])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.272, 0.994)
    """
    truth = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    normal, anomaly = values[~truth], values[truth]
    if min(len(normal), len(anomaly)) < 2:
        raise ValueError("an interval needs two clips of each class")
    low, high, area = _wilson(normal, anomaly)
    if area > _HIGH:
        low = min(low, _newcombe(area, len(normal), len(anomaly), 0.0))
        high = max(high, _newcombe(area, len(normal), len(anomaly), 1.0))
    return Interval(low, high)


def _wilson(normal: FloatArray, anomaly: FloatArray) -> tuple[float, float, float]:
    """Return Wilson's interval with DeLong's variance, and the AUC."""
    from scipy.special import stdtrit

    above = _share_below(anomaly, normal)  # of each anomaly: share of normal clips below it
    below = 1 - _share_below(normal, anomaly)  # of each normal clip: share of anomalies above it
    area = float(above.mean())
    parts = (float(above.var(ddof=1)) / len(above), float(below.var(ddof=1)) / len(below))
    variance = sum(parts)
    if variance > 0:
        trials = area * (1 - area) / variance
        freedom = variance**2 / (parts[0] ** 2 / (len(above) - 1) + parts[1] ** 2 / (len(below) - 1))
    else:
        fewest = min(len(normal), len(anomaly))
        trials, freedom = float(fewest), float(fewest - 1)
    z = float(stdtrit(freedom, 0.5 + LEVEL / 2))
    centre = area + z**2 / (2 * trials)
    reach = z * math.sqrt(area * (1 - area) / trials + (z / (2 * trials)) ** 2)
    shrink = 1 + z**2 / trials
    return (centre - reach) / shrink, min(1.0, (centre + reach) / shrink), area


def _newcombe(area: float, n_normal: int, n_anomaly: int, end: float) -> float:
    """Find by bisection the AUC furthest towards `end` whose normal interval contains `area`."""
    n = (n_normal + n_anomaly) / 2 - 1

    def contains(true: float) -> bool:
        pairs = 1 + n * (1 - true) / (2 - true) + n * true / (1 + true)
        return (area - true) ** 2 <= _Z**2 * true * (1 - true) * pairs / (n_normal * n_anomaly)

    inside, outside = area, end
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if contains(middle) else (inside, middle)
    return inside


def _share_below(values: FloatArray, others: FloatArray) -> FloatArray:
    """Share of `others` below each of `values` [float64, ``[values]``]; ties count one half."""
    ordered = np.sort(others)
    counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(counts / (2 * len(others)), dtype=np.float64)
