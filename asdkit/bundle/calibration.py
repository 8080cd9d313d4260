"""From a clip's score to a p-value and a verdict: what healthy clips that nothing was learnt from scored.

Conformal p-value (Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005): a healthy clip is as
likely to be the worst of ``n + 1`` healthy ones as any of the ``n`` held out. So of healthy clips at most a share
``a`` has ``p <= a``, whatever the detector, for every ``a`` from ``1 / (n + 1)`` on; smaller shares no ``n`` clips can
promise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]

_UPPER = 4  # the upper quarter of a reference tells how fast its tail falls
_LEAST_FOR_GAMMA = 3  # a gamma distribution has three parameters
_ROUNDING = 1e-12


@dataclass(frozen=True)
class CalibrationScores:
    """Scores of healthy clips of one id that were held out.

    Attributes
    ----------
    scores
        [float64, ``[held out]``] Ascending.
    """

    scores: DoubleArray

    @property
    def supported_rate(self) -> float:
        """Least false-alarm rate that so many clips can promise: ``1 / (n + 1)``."""
        return 1 / (len(self.scores) + 1)

    def p_value(self, score: float) -> float:
        """Share of healthy clips that score so high or higher.

        Conformal where the score lies within the reference. Above all of it the conformal p-value would be
        `supported_rate` for every clip; so that worse clips have smaller ones, it falls from there as
        ``1 / (1 + x / s)``, with ``x`` the excess over the highest score of the reference and ``s`` its `spread`. That
        part orders clips and promises nothing: so heavy a tail (Pareto, shape 1) claims no more than a handful of
        clips can know.
        """
        least = self.supported_rate
        highest = self.scores[-1]
        if score <= highest:
            return float((1 + np.count_nonzero(self.scores >= score)) * least)
        return float(least * (self.spread / (self.spread + (score - highest))))

    @cached_property
    def spread(self) -> float:
        """Mean excess of the upper quarter over where it begins, or the standard deviation if that is more.

        Where all scores are equal: the score itself, or 1.
        """
        upper = max(1, len(self.scores) // _UPPER)
        excess = self.scores[-upper:] - self.scores[max(0, len(self.scores) - upper - 1)]
        highest = abs(float(self.scores[-1]))
        least = _ROUNDING * highest  # differences below it are rounding
        spread = max(float(excess.mean()), float(self.scores.std()))
        return spread if spread > least else highest or 1.0

    def gamma_threshold(self, rate: float) -> float | None:
        """Quantile ``1 - rate`` of a gamma distribution fitted to the scores; None where they are too few or equal.

        As the baselines of DCASE 2021 to 2025 Task 2 have it, with their rate of 0.1. The fit reaches beyond what was
        measured, so any rate has a threshold, and none a promise.
        """
        if len(self.scores) < _LEAST_FOR_GAMMA or self.scores[0] == self.scores[-1]:
            return None
        from scipy.stats import gamma

        shape, where, scale = gamma.fit(self.scores)
        threshold = float(gamma.ppf(1 - rate, shape, where, scale))
        return threshold if np.isfinite(threshold) else None


ThresholdKind = Literal["conformal", "gamma"]


@dataclass(frozen=True)
class ThresholdRule:
    """What is decided of a clip.

    Attributes
    ----------
    false_alarm_rate
        Share of healthy clips that may be called anomalous.
    threshold
        ``"conformal"``: by the p-value; ``"gamma"``: by the fitted quantile.
    """

    false_alarm_rate: float = 0.05
    threshold: ThresholdKind = "conformal"


@dataclass(frozen=True)
class Decision:
    """What became of a score.

    Attributes
    ----------
    p_value
        None where no clips were held out.
    anomalous
        None where the clips held out cannot tell.
    reason
        Why they cannot, or that they promise nothing of what was decided; else empty.
    """

    p_value: float | None
    anomalous: bool | None
    reason: str = ""


NO_REFERENCE = "no clips were held out: no p-values; set [calibration] held_out"


class Calibrator:
    """Decides by a rule and the references of all ids.

    Parameters
    ----------
    references
        By id; ids of which no clips were held out are left out.
    rule
        What is asked.
    """

    def __init__(self, scores: dict[str, CalibrationScores], rule: ThresholdRule) -> None:
        self.scores, self.rule = scores, rule
        self._thresholds: dict[str, float | None] = {}

    def decide(self, score: float, id_: str) -> Decision:
        """Judge a clip of an id by its score."""
        reference = self.scores.get(id_)
        if reference is None:
            return Decision(None, None, NO_REFERENCE)
        p_value = reference.p_value(score)
        if self.rule.threshold == "gamma":
            threshold = self._gamma(id_)
            if threshold is None:
                return Decision(
                    p_value, None, f"the clips held out of {id_} are too few or too alike to fit a gamma to"
                )
            highest, reason = reference.scores[-1], ""
            if min(score, threshold) > highest:
                reason = "the gamma threshold lies beyond all clips held out: extrapolated, it promises nothing"
            return Decision(p_value, bool(score > threshold), reason)
        if self.supports(id_):
            return Decision(p_value, p_value <= self.rule.false_alarm_rate * (1 + _ROUNDING))
        if p_value > reference.supported_rate:
            return Decision(p_value, False)  # within the reference: no rate so low calls it anomalous
        return Decision(p_value, None, self.shortfall(id_))

    def supports(self, id_: str) -> bool:
        """Whether the clips held out of an id are enough for the rate asked."""
        reference = self.scores.get(id_)
        return reference is not None and reference.supported_rate <= self.rule.false_alarm_rate * (1 + _ROUNDING)

    def shortfall(self, id_: str) -> str:
        """Say what the clips held out of an id cannot support; empty where they can."""
        if self.supports(id_):
            return ""
        reference = self.scores.get(id_)
        if reference is None:
            return NO_REFERENCE
        n = len(reference.scores)
        clips = "clip" if n == 1 else "clips"
        return (
            f"{n} held-out {clips} of id {id_} support no rate below 1 in {n + 1} ({percent(1 / (n + 1))}); "
            f"{percent(self.rule.false_alarm_rate)} was asked"
        )

    def limits(self, ids: Iterable[str]) -> list[str]:
        """Say down to where the clips held out support p-values, once for all ids that have as many of them."""
        by_count: dict[int, list[str]] = {}
        for id_ in ids:
            if id_ in self.scores:
                by_count.setdefault(len(self.scores[id_].scores), []).append(id_)
        return [
            f"{n} {'clip' if n == 1 else 'clips'} held out of id {' and '.join(its)}{' each' if len(its) > 1 else ''} "
            f"can support none below 1 in {n + 1} ({percent(1 / (n + 1))})"
            for n, its in by_count.items()
        ]

    def _gamma(self, id_: str) -> float | None:
        if id_ not in self._thresholds:
            self._thresholds[id_] = self.scores[id_].gamma_threshold(self.rule.false_alarm_rate)
        return self._thresholds[id_]


def percent(share: float) -> str:
    """``0.0769`` as ``7.7 %``."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.3g} %"
