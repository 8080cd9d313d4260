"""Do 95 % intervals hold the truth in 95 of 100 cases? ``python -m benchmarks.coverage [SETS]``.

Sets of clips are drawn from normal distributions, whose AUC and pAUC are known; each kind of interval is asked how
often it held them. Beside asdkit's stand three that do not serve: DeLong's way with a partial area, the ordinary
bootstrap's percentiles, and the jackknife as the organisers' evaluators of 2023 and 2024 have it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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

SIZES = ((50, 50), (20, 200), (10, 10))  # normal, anomalous clips
RESAMPLES = 1000


@dataclass(frozen=True)
class Binormal:
    """Normal clips score as N(0, 1), anomalous ones as N(shift, spread squared)."""

    shift: float
    spread: float = 1.0

    @cached_property
    def auc(self) -> float:
        return float(norm.cdf(self.shift / np.hypot(1, self.spread)))

    @cached_property
    def pauc(self) -> float:
        raw = quad(lambda f: norm.sf((norm.isf(f) - self.shift) / self.spread), 0, MAX_FPR)[0]
        return 0.5 * (1 + (raw - MAX_FPR**2 / 2) / (MAX_FPR - MAX_FPR**2 / 2))

    def draw(self, rng: np.random.Generator, n_normal: int, n_anomaly: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
        labels = np.repeat([0, 1], (n_normal, n_anomaly))
        scores = rng.standard_normal(n_normal + n_anomaly)
        return labels, np.where(labels == 1, self.shift + self.spread * scores, scores)


MODELS = (Binormal(1.0), Binormal(2.0), Binormal(1.2, 1.5), Binormal(3.0))


def jackknife(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    """The organisers' interval: the sum divided by N (N - 1) where the jackknife divides by N / (N - 1)."""
    truth, values = np.asarray(labels), np.asarray(scores)
    without = np.array([auc(np.delete(truth, i), np.delete(values, i)) for i in range(len(truth))])
    n = len(without)
    sigma = np.sqrt(np.sum((without - without.mean()) ** 2) / (n * (n - 1)))
    area = auc(truth, values)
    return area - 1.96 * sigma, area + 1.96 * sigma


def ordinary_bootstrap(labels: npt.ArrayLike, scores: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
    """pAUC [float64, ``[300]``] of clips drawn again and again out of those at hand, class by class."""
    truth, values = np.asarray(labels), np.asarray(scores)
    normal, anomaly = values[truth == 0], values[truth == 1]
    sorted_labels = np.sort(truth)
    return np.array(
        [
            pauc(sorted_labels, np.append(rng.choice(normal, len(normal)), rng.choice(anomaly, len(anomaly))))
            for _ in range(300)
        ]
    )


def delong_of_partial_area(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    """DeLong's variance carried over to the partial area (influence functions); symmetric, standardised."""
    truth, values = np.asarray(labels), np.asarray(scores)
    normal, anomaly = np.sort(values[truth == 0])[::-1], values[truth == 1]
    weights = np.clip(MAX_FPR * len(normal) - np.arange(len(normal)), 0, 1)
    higher = anomaly[:, None] > normal[None, :]
    won = higher @ weights / (MAX_FPR * len(normal))
    share = higher.mean(axis=0)
    last = int(np.ceil(MAX_FPR * len(normal))) - 1
    beaten = weights * (share - share[last]) / MAX_FPR
    reach = 1.96 * np.sqrt(won.var(ddof=1) / len(won) + beaten.var(ddof=1) / len(beaten)) / (2 - MAX_FPR)
    area = pauc(truth, values)
    return area - reach, area + reach


def cover(model: Binormal, n_normal: int, n_anomaly: int, sets: int, *, others: bool = True) -> dict[str, float]:
    """Share of sets [%] whose interval holds the truth, by kind of interval."""
    rng = np.random.default_rng(1)
    held: dict[str, list[bool]] = {}

    def note(kind: str, low: float, high: float, truth: float) -> None:
        held.setdefault(kind, []).append(low <= truth <= high)

    for number in range(sets):
        labels, scores = model.draw(rng, n_normal, n_anomaly)
        interval = delong(labels, scores)
        note("AUC DeLong", interval.low, interval.high, model.auc)
        draws = resample_auc(labels, scores, resamples=RESAMPLES, seed=number)
        interval = percentile_interval(draws[:, 0], auc(labels, scores))
        note("AUC bootstrap", interval.low, interval.high, model.auc)
        interval = percentile_interval(draws[:, 1], pauc(labels, scores))
        note("pAUC bootstrap", interval.low, interval.high, model.pauc)
        if others and number < 500:  # slow, and far off
            note("AUC jackknife (organisers)", *jackknife(labels, scores), model.auc)
            note("pAUC DeLong", *delong_of_partial_area(labels, scores), model.pauc)
            low, high = np.quantile(ordinary_bootstrap(labels, scores, rng), [0.025, 0.975])
            note("pAUC ordinary bootstrap", low, high, model.pauc)
    return {kind: 100 * float(np.mean(hits)) for kind, hits in held.items()}


def cover_means(ids: int, n_normal: int, n_anomaly: int, sets: int) -> dict[str, float]:
    """As `cover`, for means over ids and for the paired difference of two systems that hear the same clips."""
    rng = np.random.default_rng(2)
    model = Binormal(1.5)
    # The second system hears less of the fault, and shares 0.8 of the variance of the first.
    weaker = Binormal(1.2)
    held: dict[str, list[bool]] = {}
    names = [f"{i:02}" for i in range(ids)]
    for number in range(sets):
        truth: list[LabelledClip] = []
        one: dict[str, float] = {}
        other: dict[str, float] = {}
        for id_ in names:
            labels, noise = Binormal(0.0).draw(rng, n_normal, n_anomaly)
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
        gap_auc, gap_pauc = model.auc - weaker.auc, model.pauc - weaker.pauc
        for kind, hit in (
            ("mean AUC", model.auc in means[0]),
            ("mean pAUC", model.pauc in means[1]),
            ("difference of AUC", gap_auc in gaps[0]),
            ("difference of pAUC", gap_pauc in gaps[1]),
        ):
            held.setdefault(kind, []).append(hit)
    return {kind: 100 * float(np.mean(hits)) for kind, hits in held.items()}


def main(arguments: Sequence[str]) -> None:
    sets = int(arguments[0]) if arguments else 2000
    print(f"{sets} sets each; share of 95 % intervals that hold the truth, in per cent")
    for n_normal, n_anomaly in SIZES:
        for model in MODELS:
            figures = cover(model, n_normal, n_anomaly, sets)
            print(f"{n_normal} normal, {n_anomaly} anomalous; AUC {model.auc:.3f}, pAUC {model.pauc:.3f}")
            for kind, share in figures.items():
                print(f"    {kind:<28}{share:6.1f}", flush=True)
    for ids, n_normal, n_anomaly in ((1, 100, 100), (4, 100, 100), (23, 100, 100)):
        print(f"{ids} ids of {n_normal} normal and {n_anomaly} anomalous clips")
        for kind, share in cover_means(ids, n_normal, n_anomaly, max(1, sets // 4)).items():
            print(f"    {kind:<28}{share:6.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
