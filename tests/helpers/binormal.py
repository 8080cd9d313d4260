"""Simulated scores with a known AUC and pAUC: how often do intervals contain the true value?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad
from scipy.stats import norm

from asdkit.metrics import (
    DCASE2020,
    MAX_FPR,
    Bootstrap,
    LabelledClip,
    auc,
    delong,
    difference,
    evaluate,
    pauc,
    percentile_interval,
    resample_auc,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RESAMPLES = 1000


@dataclass(frozen=True)
class Binormal:
    """Scores of normal clips are N(0, 1), those of anomalous clips N(shift, spread squared)."""

    shift: float
    spread: float = 1.0

    @cached_property
    def auc(self) -> float:
        return float(norm.cdf(self.shift / np.hypot(1, self.spread)))

    @cached_property
    def pauc(self) -> float:
        raw = quad(lambda f: norm.sf((norm.isf(f) - self.shift) / self.spread), 0, MAX_FPR)[0]
        return 0.5 * (1 + (raw - MAX_FPR**2 / 2) / (MAX_FPR - MAX_FPR**2 / 2))

    def sample(self, rng: np.random.Generator, n_normal: int, n_anomaly: int) -> tuple[IntArray, FloatArray]:
        labels = np.repeat([0, 1], (n_normal, n_anomaly))
        scores = rng.standard_normal(n_normal + n_anomaly)
        return labels, np.where(labels == 1, self.shift + self.spread * scores, scores)


MODELS = (Binormal(1.0), Binormal(2.0), Binormal(1.2, 1.5), Binormal(3.0))

Others = Callable[[IntArray, FloatArray, np.random.Generator], dict[str, tuple[float, float]]]
"""Return other intervals of a set by kind: the first word is ``AUC`` or ``pAUC``."""


def coverage(
    model: Binormal, n_normal: int, n_anomaly: int, sets: int, others: Others | None = None
) -> dict[str, float]:
    """Return the share of sets [%] whose interval contains the true value, by kind of interval."""
    rng = np.random.default_rng(1)
    hits: dict[str, list[bool]] = {}
    for number in range(sets):
        labels, scores = model.sample(rng, n_normal, n_anomaly)
        resamples = resample_auc(labels, scores, resamples=RESAMPLES, seed=number)
        interval = delong(labels, scores)
        area = percentile_interval(resamples[:, 0], auc(labels, scores))
        partial_area = percentile_interval(resamples[:, 1], pauc(labels, scores))
        intervals = {
            "AUC DeLong": (interval.low, interval.high),
            "AUC bootstrap": (area.low, area.high),
            "pAUC bootstrap": (partial_area.low, partial_area.high),
        }
        if others is not None and number < 500:  # slow, and far from 95 %
            intervals |= others(labels, scores, rng)
        for kind, (low, high) in intervals.items():
            true = model.pauc if kind.startswith("pAUC") else model.auc
            hits.setdefault(kind, []).append(low <= true <= high)
    return {kind: 100 * float(np.mean(values)) for kind, values in hits.items()}


def coverage_of_means(ids: int, n_normal: int, n_anomaly: int, sets: int) -> dict[str, float]:
    """As `coverage`, for means over ids and for the paired difference of two systems on the same clips."""
    rng = np.random.default_rng(2)
    model = Binormal(1.5)
    # The second system separates less, and shares 0.8 of the variance with the first.
    weaker = Binormal(1.2)
    hits: dict[str, list[bool]] = {}
    for number in range(sets):
        truth: list[LabelledClip] = []
        one: dict[str, float] = {}
        other: dict[str, float] = {}
        for id_ in (f"{i:02}" for i in range(ids)):
            labels, noise = Binormal(0.0).sample(rng, n_normal, n_anomaly)
            own = np.sqrt(0.8) * noise + np.sqrt(0.2) * rng.standard_normal(len(noise))
            for i, label in enumerate(labels):
                clip = LabelledClip(f"{id_}/{i}", "fan", id_, int(label))
                truth.append(clip)
                one[clip.name] = float(noise[i] + model.shift * label)
                other[clip.name] = float(own[i] + weaker.shift * label)
        rows = [evaluate(truth, s, name="", kind="") for s in (one, other)]
        boots = [Bootstrap(truth, s, DCASE2020, resamples=RESAMPLES, seed=number) for s in (one, other)]
        means, gaps = boots[0].mean_intervals(rows[0]), difference((boots[0], rows[0]), (boots[1], rows[1]))
        assert means is not None
        assert gaps is not None
        for kind, hit in (
            ("mean AUC", model.auc in means[0]),
            ("mean pAUC", model.pauc in means[1]),
            ("difference of AUC", model.auc - weaker.auc in gaps[0]),
            ("difference of pAUC", model.pauc - weaker.pauc in gaps[1]),
        ):
            hits.setdefault(kind, []).append(hit)
    return {kind: 100 * float(np.mean(values)) for kind, values in hits.items()}
