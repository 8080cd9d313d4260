"""How often do 95 % intervals contain the true value? ``python -m benchmarks.coverage [SETS]``.

Sets of clips are drawn from normal distributions, whose AUC and pAUC are known. Beside the intervals of asdkit stand
three that fail: DeLong's variance of a partial area, the percentiles of the ordinary bootstrap, and the jackknife as
the organisers' evaluators of 2023 and 2024 have it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asdkit.metrics import MAX_FPR, auc, pauc
from tests.helpers.binormal import MODELS, FloatArray, IntArray, coverage, coverage_of_means

SIZES = ((50, 50), (20, 200), (10, 10))  # normal, anomalous clips


def jackknife(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    """Return the organisers' interval: the sum divided by N (N - 1) where the jackknife divides by N / (N - 1)."""
    truth, values = np.asarray(labels), np.asarray(scores)
    without = np.array([auc(np.delete(truth, i), np.delete(values, i)) for i in range(len(truth))])
    n = len(without)
    sigma = np.sqrt(np.sum((without - without.mean()) ** 2) / (n * (n - 1)))
    area = auc(truth, values)
    return area - 1.96 * sigma, area + 1.96 * sigma


def ordinary_bootstrap(labels: npt.ArrayLike, scores: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
    """Return the pAUC [float64, ``[300]``] of clips drawn with replacement, class by class."""
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
    """Return an interval by DeLong's variance of the partial area (influence functions); symmetric, standardised."""
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


def failing_intervals(labels: IntArray, scores: FloatArray, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Return the intervals that fail, by kind."""
    low, high = np.quantile(ordinary_bootstrap(labels, scores, rng), [0.025, 0.975])
    return {
        "AUC jackknife (organisers)": jackknife(labels, scores),
        "pAUC DeLong": delong_of_partial_area(labels, scores),
        "pAUC ordinary bootstrap": (float(low), float(high)),
    }


def main(arguments: Sequence[str]) -> None:
    sets = int(arguments[0]) if arguments else 2000
    print(f"{sets} sets each; share of 95 % intervals that contain the true value, in per cent")
    for n_normal, n_anomaly in SIZES:
        for model in MODELS:
            shares = coverage(model, n_normal, n_anomaly, sets, failing_intervals)
            print(f"{n_normal} normal, {n_anomaly} anomalous; AUC {model.auc:.3f}, pAUC {model.pauc:.3f}")
            for kind, share in shares.items():
                print(f"    {kind:<28}{share:6.1f}", flush=True)
    for ids, n_normal, n_anomaly in ((1, 100, 100), (4, 100, 100), (23, 100, 100)):
        print(f"{ids} ids of {n_normal} normal and {n_anomaly} anomalous clips")
        for kind, share in coverage_of_means(ids, n_normal, n_anomaly, max(1, sets // 4)).items():
            print(f"    {kind:<28}{share:6.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
