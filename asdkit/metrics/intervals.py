"""Confidence intervals of a single AUC: DeLong's variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.metrics.roc import FloatArray

LEVEL = 0.95


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

    Parameters
    ----------
    labels, scores
        As for `roc_curve`; at least two clips of each class.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 44 (1988). Wilson, "Probable inference", JASA 22 (1927).
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
    return Interval((centre - reach) / shrink, min(1.0, (centre + reach) / shrink))


def _above(these: FloatArray, those: FloatArray) -> FloatArray:
    """Share of `those` that each of `these` lies above; ties count one half."""
    ordered = np.sort(those)
    below = np.searchsorted(ordered, these, "left") + np.searchsorted(ordered, these, "right")
    return np.asarray(below / (2 * len(those)), dtype=np.float64)
