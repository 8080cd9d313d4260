"""P-values and verdicts from the scores of clips held out (calibration scores).

Conformal p-value (Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005): among ``n`` clips held
out and one new healthy clip, each is equally likely to have the highest score. So at most a share ``a`` of healthy
clips has ``p <= a``, with any detector, for every ``a`` of ``1 / (n + 1)`` or more. For smaller ``a`` there is no such
guarantee.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from asdkit.bundle.gamma_fit import gamma_quantile
from asdkit.errors import UsageError
from asdkit.text import plural

DoubleArray = npt.NDArray[np.float64]
ThresholdKind = Literal["conformal", "gamma"]

NOTHING_HELD_OUT: Final = "no clips were held out: no p-values; set [calibration] held_out"
_UPPER = 4  # the upper quarter of the calibration scores sets the scale of the tail
_LEAST_FOR_GAMMA = 3  # a gamma distribution has three parameters
_CONFIDENCE = 0.99  # of the bounds of a fitted quantile
_MAX_NAMES = 12  # of ids in one line
_ROUNDING = 1e-12
_SMALLEST: Final = sys.float_info.min  # a p-value is never 0, even where the quotient would underflow


@dataclass(frozen=True)
class ThresholdRule:
    """How a verdict follows from a score.

    Attributes
    ----------
    false_alarm_rate
        Share of healthy clips that may be called anomalous.
    threshold
        ``"conformal"``: compare the p-value with the rate; ``"gamma"``: compare the score with a quantile of a fitted
        gamma distribution.
    """

    false_alarm_rate: float = 0.05
    threshold: ThresholdKind = "conformal"

    def __post_init__(self) -> None:
        rate, kinds = self.false_alarm_rate, get_args(ThresholdKind)
        if not 0 < rate < 1:
            raise UsageError(f"a false-alarm rate of {rate:g}; expected a share between 0 and 1, such as 0.05")
        if self.threshold not in kinds:
            raise UsageError(f"no threshold {self.threshold!r}; expected one of {', '.join(kinds)}")


@dataclass(frozen=True)
class Decision:
    """P-value and decision for one score.

    Attributes
    ----------
    p_value
        None if no clips were held out.
    anomalous
        None if the clips held out do not support a decision.
    reason
        Why there is no decision, or why it has no guarantee; else empty.
    """

    p_value: float | None
    anomalous: bool | None
    reason: str = ""


@dataclass(frozen=True)
class CalibrationScores:
    """Scores of the healthy clips held out of one id.

    Attributes
    ----------
    scores
        [float64, ``[held out]``] Ascending.
    """

    scores: DoubleArray

    @property
    def supported_rate(self) -> float:
        """Lowest false-alarm rate that n clips can guarantee: ``1 / (n + 1)``."""
        return 1 / (len(self.scores) + 1)

    def p_value(self, score: float) -> float:
        """Return the share of healthy clips that are expected to score as high, or higher.

        Up to the highest calibration score this is the conformal p-value. Above it the conformal p-value would be
        `supported_rate` for every clip. To order these clips, it falls as ``1 / (1 + x / s)``, with ``x`` the excess
        over the highest calibration score and ``s`` the `spread`. This part has no guarantee; its heavy tail (Pareto,
        shape 1) claims no more than a handful of clips can show.

        Examples
        --------
        >>> calibration = CalibrationScores(np.arange(9.0))
        >>> calibration.p_value(7.5), calibration.p_value(20.0) < calibration.supported_rate
        (0.2, True)
        """
        supported = self.supported_rate
        highest = self.scores[-1]
        if score <= highest:
            return float((1 + np.count_nonzero(self.scores >= score)) * supported)
        p_value = supported * (self.spread / (self.spread + (score - highest)))
        return max(float(p_value), _SMALLEST)

    @cached_property
    def spread(self) -> float:
        """Mean excess of the upper quarter over its lower bound, or the standard deviation if that is larger.

        If all scores are equal: the absolute score, or 1.
        """
        upper = max(1, len(self.scores) // _UPPER)
        excess = self.scores[-upper:] - self.scores[max(0, len(self.scores) - upper - 1)]
        highest = abs(float(self.scores[-1]))
        spread = max(float(excess.mean()), float(self.scores.std()))
        return spread if spread > _ROUNDING * highest else highest or 1.0  # smaller differences are rounding

    def gamma_threshold(self, rate: float) -> float | None:
        """Return the quantile ``1 - rate`` of a gamma distribution fitted to the scores.

        The baselines of DCASE 2021 to 2025 Task 2 use it with a rate of 0.1. The fit extrapolates beyond the measured
        scores, so it gives a threshold for any rate, but no guarantee. It is kept within what the scores show without a
        distribution (`_quantile_bounds`). None if the scores are too few or too similar.
        """
        deviation = float(self.scores.std())
        if len(self.scores) < _LEAST_FOR_GAMMA or not deviation > _ROUNDING * float(np.abs(self.scores).max()):
            return None
        threshold = gamma_quantile(self.scores, 1 - rate)
        low, high = self._quantile_bounds(rate)
        return min(max(threshold, low), high)

    def _quantile_bounds(self, rate: float) -> tuple[float, float]:
        """Return the lowest and the highest score that may be the quantile ``1 - rate``.

        They are the 99 % confidence interval of the quantile, by the binomial distribution of the number of scores
        above it. The lower one is at least the median of the scores (their own quantile for rates above 50 %). Where
        the interval has no upper end, it is the highest score and its `spread`, multiplied if the rate is lower than
        the supported one.
        """
        from scipy.stats import binom

        n, margin = len(self.scores), (1 - _CONFIDENCE) / 2
        most, least = int(binom.isf(margin, n, rate)), int(binom.ppf(margin, n, rate))
        # `quantile(..., 0.5)` may round to a number below the median
        low = float(np.median(self.scores) if rate <= 0.5 else np.quantile(self.scores, 1 - rate))
        if most < n:
            low = max(low, float(self.scores[n - 1 - most]))
        if least > 0:
            return low, max(low, float(self.scores[n - least]))
        return low, float(self.scores[-1]) + self.spread * max(1.0, self.supported_rate / rate)


class Calibrator:
    """Decides by a rule and the calibration scores of each id.

    Parameters
    ----------
    scores
        By id, without the ids that have no clips held out.
    rule
        How a verdict follows from a score.
    """

    def __init__(self, scores: Mapping[str, CalibrationScores], rule: ThresholdRule) -> None:
        self.scores, self.rule = scores, rule
        self._gamma_thresholds: dict[str, float | None] = {}

    def decide(self, score: float, id_: str) -> Decision:
        """Return the p-value and the decision for the score of a clip of this id."""
        calibration = self.scores.get(id_)
        if calibration is None:
            return Decision(None, None, NOTHING_HELD_OUT)
        p_value = calibration.p_value(score)
        if self.rule.threshold == "gamma":
            return self._decide_by_gamma(score, p_value, id_)
        if self.supports(id_):
            return Decision(p_value, p_value <= self.rule.false_alarm_rate * (1 + _ROUNDING))
        if p_value > calibration.supported_rate:
            return Decision(p_value, False)  # not above all calibration scores: normal at any lower rate
        return Decision(p_value, None, self.shortfall(id_))

    def _decide_by_gamma(self, score: float, p_value: float, id_: str) -> Decision:
        calibration = self.scores[id_]
        if id_ not in self._gamma_thresholds:
            self._gamma_thresholds[id_] = calibration.gamma_threshold(self.rule.false_alarm_rate)
        threshold = self._gamma_thresholds[id_]
        if threshold is None:
            reason = f"the scores of the clips held out of {id_} are too few or too similar to fit a gamma distribution"
            return Decision(p_value, None, reason)
        reason = ""
        if min(score, threshold) > calibration.scores[-1]:
            reason = "the gamma threshold is above all clips held out: extrapolated, without a guarantee"
        return Decision(p_value, bool(score > threshold), reason)

    def supports(self, id_: str) -> bool:
        """Return whether the clips held out of an id support the rate of the rule."""
        calibration = self.scores.get(id_)
        return calibration is not None and calibration.supported_rate <= self.rule.false_alarm_rate * (1 + _ROUNDING)

    def highest_normal(self, id_: str) -> float | None:
        """Return the highest score that is still called normal; None if the clips held out of an id support none."""
        calibration, rate = self.scores.get(id_), self.rule.false_alarm_rate
        if calibration is None:
            return None
        if self.rule.threshold == "gamma":
            return calibration.gamma_threshold(rate)
        if not self.supports(id_):
            return None
        # p = (1 + clips at or above the score) / (n + 1) must not exceed the rate
        at_most = int(np.floor(rate * (len(calibration.scores) + 1) * (1 + _ROUNDING))) - 1
        return float(calibration.scores[len(calibration.scores) - 1 - at_most])

    def shortfall(self, id_: str) -> str:
        """Return why the clips held out of an id do not support the rate of the rule; empty if they do."""
        if self.supports(id_):
            return ""
        calibration = self.scores.get(id_)
        if calibration is None:
            return NOTHING_HELD_OUT
        n = len(calibration.scores)
        return (
            f"{plural(n, 'held-out clip')} of id {id_} {_support(n)} no rate below 1 in {n + 1} "
            f"({percent(1 / (n + 1))}); {percent(self.rule.false_alarm_rate)} was requested"
        )

    def limits(self, ids: Iterable[str]) -> list[str]:
        """Return the lowest supported p-values as text, one line for all ids with the same number of clips held out."""
        by_count: dict[int, list[str]] = {}
        for id_ in ids:
            if id_ in self.scores:
                by_count.setdefault(len(self.scores[id_].scores), []).append(id_)
        return [
            f"{plural(n, 'clip')} held out of id {_joined(names)}{' each' if len(names) > 1 else ''} "
            f"{_support(n)} none below 1 in {n + 1} ({percent(1 / (n + 1))})"
            for n, names in by_count.items()
        ]


def _joined(names: Sequence[str]) -> str:
    """Join names by "and", of many only the first."""
    more = [f"{len(names) - _MAX_NAMES} more"] if len(names) > _MAX_NAMES else []
    return " and ".join([*names[:_MAX_NAMES], *more])


def percent(share: float) -> str:
    """Return a share in per cent: ``"7.7 %"`` for 0.0769."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.3g} %"


def _support(clips: int) -> str:
    return "supports" if clips == 1 else "support"
