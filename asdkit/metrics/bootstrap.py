"""Confidence intervals by resampling: of AUC and pAUC, of means over ids and machines, of differences of systems.

The bootstrap is Banks' smoothed Bayesian one, stratified by class. An ordinary one can only repeat the clips at hand,
and a partial AUC at 10 % of 20 normal clips hangs on two of them: its intervals then hold the truth in 65 to 75 % of
cases, not 95 (`nox -s coverage_of_intervals`). This one knows that the next clip may fall anywhere between those.

References
----------
Rubin, "The Bayesian bootstrap", Annals of Statistics 9 (1981). Banks, "Histospline smoothing the Bayesian bootstrap",
Biometrika 75 (1988).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from asdkit.metrics.evaluation import LabelledClip, by_domain, by_id
from asdkit.metrics.intervals import LEVEL, Interval, delong
from asdkit.metrics.roc import MAX_FPR, FloatArray
from asdkit.metrics.rules import DCASE2020, IdResult, ScoringRule

RESAMPLES = 10_000
_BATCH = 256  # resamples at a time: weights of 1,000 clips then take 2 MB

Key = tuple[str, str, str | None]


def resample_auc(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> FloatArray:
    """AUC and pAUC [float64, ``[resamples, 2]``] of what the clips of one ROC curve may be a sample of.

    Parameters
    ----------
    labels, scores
        As for `roc_curve`.
    resamples
        How many.
    seed
        What all randomness follows from. With the same labels and seed every clip has the same weights, whatever the
        scores: differences between two systems are then paired.
    """
    truth = np.asarray(labels, dtype=np.int64)
    return _resample([(truth, np.asarray(scores, dtype=np.float64), np.arange(len(truth)))], truth, resamples, seed)[0]


def percentile_interval(draws: FloatArray, estimate: float) -> Interval:
    """Equal tails of resamples [float64, ``[resamples]``] of an area; they hold the estimate, within 0 and 1."""
    low, high = np.quantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Interval(max(0.0, min(float(low), estimate)), min(1.0, max(float(high), estimate)))


def is_unreliable(result: IdResult) -> bool:
    """Whether a row's intervals may lie too low: nearly perfect scores of few clips (see docs/evaluation.md)."""
    return result.auc is not None and result.auc > 0.97 and min(result.n_normal, result.n_anomaly) < 100


class Bootstrap:
    """Resamples of all that a set of scores is judged by.

    Parameters
    ----------
    truth, scores, rule
        As for `evaluate`, which must have found no fault.
    resamples, seed
        As for `resample_auc`; each machine id draws on its own.
    """

    def __init__(
        self,
        truth: Sequence[LabelledClip],
        scores: Mapping[str, float],
        rule: ScoringRule = DCASE2020,
        *,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> None:
        self._rule = rule
        self._draws: dict[Key, FloatArray] = {}
        self._areas: dict[Key, Interval] = {}
        for (machine, id_), clips in by_id(truth).items():
            labels = np.array([c.label for c in clips])
            position = {c.name: i for i, c in enumerate(clips)}
            sets, keys = [], []
            for domain, its in by_domain(clips, rule).items():
                chosen = np.array([position[c.name] for c in its])
                if 0 < labels[chosen].sum() < len(chosen):
                    sets.append((labels[chosen], np.array([scores[c.name] for c in its], dtype=np.float64), chosen))
                    keys.append((machine, id_, domain))
                    if 1 < labels[chosen].sum() < len(chosen) - 1:
                        self._areas[keys[-1]] = delong(*sets[-1][:2])
            if sets:
                drawn = _resample(sets, labels, resamples, _seed(seed, machine, id_))
                self._draws.update(zip(keys, drawn, strict=True))

    def intervals(self, result: IdResult) -> tuple[Interval, Interval]:
        """Intervals of one row that has both figures: DeLong's of the AUC, the bootstrap's of the pAUC.

        An AUC with a single clip of a class has the bootstrap's too.
        """
        draws = self._draws[_key(result)]
        area = self._areas.get(_key(result)) or percentile_interval(draws[:, 0], result.auc or 0.0)
        return area, percentile_interval(draws[:, 1], result.pauc or 0.0)

    def mean_intervals(self, rows: Sequence[IdResult]) -> tuple[Interval, Interval, Interval] | None:
        """Intervals of AUC, pAUC and official score over these rows, as `ScoringRule.average` has them."""
        estimates = self._rule.average(rows, lambda r: float(r.auc or 0), lambda r: float(r.pauc or 0))
        draws = self.mean_resamples(rows)
        if estimates is None or draws is None:
            return None
        auc, pauc, official = (percentile_interval(d, float(e)) for d, e in zip(draws, estimates, strict=True))
        return auc, pauc, official

    def mean_resamples(self, rows: Sequence[IdResult]) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Resamples [float64, ``[resamples]``] of AUC, pAUC and official score over these rows."""
        return self._rule.average(rows, self._centred(0), self._centred(1))

    def _centred(self, column: int) -> Callable[[IdResult], FloatArray]:
        """Resamples of a row, moved so that their mean is its estimate.

        Their mean lies a little lower. An average over many ids leaves a part of the spread, but all of what is alike
        in every id.
        """

        def values_of(row: IdResult) -> FloatArray:
            values = self._draws[_key(row)][:, column]
            estimate = (row.auc, row.pauc)[column] or 0.0
            return np.asarray(values + (estimate - values.mean()), dtype=np.float64)

        return values_of


def difference(
    one: tuple[Bootstrap, Sequence[IdResult]], other: tuple[Bootstrap, Sequence[IdResult]]
) -> tuple[Interval, Interval, Interval] | None:
    """Intervals of how much one system's AUC, pAUC and official score lie above another's on the same clips.

    Paired: both see the same weights, so what makes clips hard for both cancels out. Without 0 in the interval the
    systems differ.

    Parameters
    ----------
    one, other
        A system's bootstrap and its rows; both of the same truth, rule, number of resamples and seed.
    """
    mine, others = one[0].mean_resamples(one[1]), other[0].mean_resamples(other[1])
    if mine is None or others is None:
        return None
    tails = [np.quantile(a - b, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]) for a, b in zip(mine, others, strict=True)]
    auc, pauc, official = (Interval(float(low), float(high)) for low, high in tails)
    return auc, pauc, official


def _resample(
    sets: Sequence[tuple[npt.NDArray[np.int64], FloatArray, npt.NDArray[np.int64]]],
    labels: npt.NDArray[np.int64],
    resamples: int,
    seed: int,
) -> list[FloatArray]:
    """Resample several sets (labels, scores, which clips) out of the same clips, under the same weights."""
    from asdkit.kernels.bootstrap import weighted_areas

    ranked = []
    for truth, scores, chosen in sets:
        order = np.argsort(-scores, kind="stable")
        places = np.concatenate([[0], np.cumsum(np.diff(scores[order]) != 0)])
        ranked.append((truth[order], places, chosen[order], np.empty((resamples, 2))))
    rng = np.random.default_rng(seed)
    for first in range(0, resamples, _BATCH):
        count = min(_BATCH, resamples - first)
        weights = rng.standard_exponential((count, len(labels) + 2))
        for truth, places, chosen, out in ranked:
            # the gap below all has the last two weights, one a class
            normal, anomaly = np.append(chosen[truth == 0], len(labels)), np.append(chosen[truth == 1], len(labels) + 1)
            weighted_areas(places, truth, weights[:, normal], weights[:, anomaly], MAX_FPR, out[first : first + count])
    for *_, out in ranked:
        out[:, 1] = (out[:, 1] - MAX_FPR / 2) / (2 - MAX_FPR) + 0.5  # McClish's standard, as in `pauc`
    return [out for *_, out in ranked]


def _key(result: IdResult) -> Key:
    return result.machine, result.id, result.domain


def _seed(seed: int, machine: str, id_: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{machine}\0{id_}".encode()).digest()[:8], "little")
