"""Bootstrap intervals of AUC and pAUC, of their means over ids and machines, and of differences between systems.

The bootstrap is Banks' smoothed Bayesian one, stratified by class. An ordinary bootstrap only repeats the clips at
hand, and a pAUC up to 10 % of 20 normal clips depends on two of them: its 95 % intervals contain the truth in 65 to
75 % of cases (`nox -s coverage_of_intervals`). The smoothed one spreads the mass over the gaps between the clips.

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
    """Compute AUC and pAUC [float64, ``[resamples, 2]``] of bootstrap resamples of the clips of one ROC curve.

    Parameters
    ----------
    labels, scores
        As for `roc_curve`.
    resamples
        Number of resamples.
    seed
        Seed of the weights. The same labels and seed give every clip the same weights, whatever the scores, so
        differences between two systems are paired.

    Examples
    --------
    >>> from asdkit.metrics import resample_auc
    >>> resample_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], resamples=100).shape
    (100, 2)
    """
    truth = np.asarray(labels, dtype=np.int64)
    every_clip = np.arange(len(truth))
    return _resample([(truth, np.asarray(scores, dtype=np.float64), every_clip)], truth, resamples, seed)[0]


def percentile_interval(values: FloatArray, estimate: float) -> Interval:
    """Return the interval between equal tails of resamples of an area, widened to contain the estimate.

    Parameters
    ----------
    values
        [float64, ``[resamples]``]
    estimate
        The area of the clips themselves.

    Examples
    --------
    >>> from asdkit.metrics import percentile_interval
    >>> import numpy as np
    >>> interval = percentile_interval(np.linspace(0.6, 0.8, 201), estimate=0.7)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.605, 0.795)
    """
    low, high = np.quantile(values, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Interval(max(0.0, min(float(low), estimate)), min(1.0, max(float(high), estimate)))


def is_unreliable(result: IdResult) -> bool:
    """Return whether a row's intervals may lie too low: nearly perfect scores of few clips (docs/evaluation.md).

    Examples
    --------
    >>> from asdkit.metrics import IdResult, is_unreliable
    >>> is_unreliable(IdResult("fan", "00", "knn", "member", auc=0.99, pauc=0.95, n_normal=20, n_anomaly=20))
    True
    """
    return result.auc is not None and result.auc > 0.97 and min(result.n_normal, result.n_anomaly) < 100


class Bootstrap:
    """Resampled AUC and pAUC of every id and domain of one set of scores.

    Parameters
    ----------
    truth, scores, rule
        As for `evaluate`, which must accept them.
    resamples, seed
        As for `resample_auc`; each machine and id has its own random generator.

    Examples
    --------
    >>> from asdkit.metrics import Bootstrap, LabelledClip, evaluate
    >>> truth = [LabelledClip(str(i), "fan", "00", label=i % 2) for i in range(20)]
    >>> scores = {clip.name: clip.label + 0.1 * i for i, clip in enumerate(truth)}
    >>> (row,) = evaluate(truth, scores, name="knn", kind="member")
    >>> area, partial_area = Bootstrap(truth, scores, resamples=200).intervals(row)
    >>> row.auc in area
    True
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
        self._resamples: dict[Key, FloatArray] = {}
        self._delong: dict[Key, Interval] = {}
        for (machine, id_), clips in by_id(truth).items():
            labels = np.array([c.label for c in clips])
            position = {c.name: i for i, c in enumerate(clips)}
            sets, keys = [], []
            for domain, domain_clips in by_domain(clips, rule).items():
                chosen = np.array([position[c.name] for c in domain_clips])
                if 0 < labels[chosen].sum() < len(chosen):
                    values = np.array([scores[c.name] for c in domain_clips], dtype=np.float64)
                    sets.append((labels[chosen], values, chosen))
                    keys.append((machine, id_, domain))
                    if 1 < labels[chosen].sum() < len(chosen) - 1:
                        self._delong[keys[-1]] = delong(labels[chosen], values)
            if sets:
                areas = _resample(sets, labels, resamples, _seed(seed, machine, id_))
                self._resamples.update(zip(keys, areas, strict=True))

    def intervals(self, result: IdResult) -> tuple[Interval, Interval]:
        """Return the intervals of one row with both figures: the AUC by DeLong, the pAUC by the bootstrap.

        With a single clip of a class the interval of the AUC is by the bootstrap, too.
        """
        values = self._resamples[_key(result)]
        area = self._delong.get(_key(result)) or percentile_interval(values[:, 0], result.auc or 0.0)
        return area, percentile_interval(values[:, 1], result.pauc or 0.0)

    def mean_intervals(self, rows: Sequence[IdResult]) -> tuple[Interval, Interval, Interval] | None:
        """Return the intervals of mean AUC, mean pAUC and official score over `rows` (see `ScoringRule.average`)."""
        estimates = self._rule.average(rows, lambda r: float(r.auc or 0), lambda r: float(r.pauc or 0))
        resamples = self.mean_resamples(rows)
        if estimates is None or resamples is None:
            return None
        auc, pauc, official = (
            percentile_interval(values, float(estimate)) for values, estimate in zip(resamples, estimates, strict=True)
        )
        return auc, pauc, official

    def mean_resamples(self, rows: Sequence[IdResult]) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Return resamples [float64, ``[resamples]``] of mean AUC, mean pAUC and official score over `rows`."""
        return self._rule.average(rows, self._centred(0), self._centred(1))

    def _centred(self, column: int) -> Callable[[IdResult], FloatArray]:
        """Return resamples of a row, shifted so that their mean is its estimate.

        Their mean is a little lower. An average over ids reduces the spread, but not a shift common to all ids.
        """

        def values_of(row: IdResult) -> FloatArray:
            values = self._resamples[_key(row)][:, column]
            estimate = (row.auc, row.pauc)[column] or 0.0
            return np.asarray(values + (estimate - values.mean()), dtype=np.float64)

        return values_of


def difference(
    one: tuple[Bootstrap, Sequence[IdResult]], other: tuple[Bootstrap, Sequence[IdResult]]
) -> tuple[Interval, Interval, Interval] | None:
    """Return intervals of the differences of AUC, pAUC and official score between two systems on the same clips.

    The differences (the first system less the second) are paired: both systems see the same weights, so the
    difficulty of a clip cancels out. Systems differ if the interval does not contain 0.

    Parameters
    ----------
    one, other
        A system's bootstrap and its rows; both of the same truth, rule, number of resamples and seed.

    Examples
    --------
    >>> from asdkit.metrics import Bootstrap, LabelledClip, difference, evaluate
    >>> truth = [LabelledClip(str(i), "fan", "00", label=i % 2) for i in range(20)]
    >>> scores = {clip.name: clip.label + 0.1 * i for i, clip in enumerate(truth)}
    >>> rows = evaluate(truth, scores, name="knn", kind="member")
    >>> bootstrap = Bootstrap(truth, scores, resamples=200)
    >>> auc, pauc, official = difference((bootstrap, rows), (bootstrap, rows))
    >>> auc
    Interval(low=0.0, high=0.0)
    """
    resamples, other_resamples = one[0].mean_resamples(one[1]), other[0].mean_resamples(other[1])
    if resamples is None or other_resamples is None:
        return None
    auc, pauc, official = (
        Interval(*map(float, np.quantile(a - b, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])))
        for a, b in zip(resamples, other_resamples, strict=True)
    )
    return auc, pauc, official


def _resample(
    sets: Sequence[tuple[npt.NDArray[np.int64], FloatArray, npt.NDArray[np.int64]]],
    labels: npt.NDArray[np.int64],
    resamples: int,
    seed: int,
) -> list[FloatArray]:
    """Resample sets of the same clips under the same weights; a set is its labels, scores, and positions of clips."""
    from asdkit.kernels.bootstrap import weighted_areas

    ranked = []
    for truth, scores, chosen in sets:
        order = np.argsort(-scores, kind="stable")
        ranks = np.concatenate([[0], np.cumsum(np.diff(scores[order]) != 0)])
        ranked.append((truth[order], ranks, chosen[order], np.empty((resamples, 2))))
    rng = np.random.default_rng(seed)
    for first in range(0, resamples, _BATCH):
        count = min(_BATCH, resamples - first)
        weights = rng.standard_exponential((count, len(labels) + 2))
        for truth, ranks, chosen, out in ranked:
            # the last two weights, one for each class, are of the gap below all scores
            normal, anomaly = np.append(chosen[truth == 0], len(labels)), np.append(chosen[truth == 1], len(labels) + 1)
            weighted_areas(ranks, truth, weights[:, normal], weights[:, anomaly], MAX_FPR, out[first : first + count])
    for *_, out in ranked:
        out[:, 1] = (out[:, 1] - MAX_FPR / 2) / (2 - MAX_FPR) + 0.5  # McClish's standard, as in `pauc`
    return [out for *_, out in ranked]


def _key(result: IdResult) -> Key:
    return result.machine, result.id, result.domain


def _seed(seed: int, machine: str, id_: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{machine}\0{id_}".encode()).digest()[:8], "little")
