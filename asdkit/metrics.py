"""How well scores separate normal from anomalous clips. The only place that test labels reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from asdkit.errors import DataError

MAX_FPR = 0.1


FloatArray = npt.NDArray[np.float64]


def roc_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Corners of the ROC curve, from (0, 0) to (1, 1).

    Parameters
    ----------
    labels
        [int, ``[clips]``] 0 normal, 1 anomaly; both must occur.
    scores
        [float, ``[clips]``] Higher is more anomalous.

    Returns
    -------
    false_positive_rate, true_positive_rate
        [float64, ``[corners]``] Equal to scikit-learn's, bit for bit (points on a line between others left out).
    """
    truth = np.asarray(labels, dtype=np.float64)
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    true = np.cumsum(truth[order])[last_of_ties]
    false = 1.0 + last_of_ties - true
    if len(true) > 2:
        corner = np.concatenate([[True], (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0), [True]])
        true, false = true[corner], false[corner]
    true, false = np.append(0.0, true), np.append(0.0, false)
    return false / false[-1], true / true[-1]


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve (`roc_curve` says what of); ties count one half."""
    false, true = roc_curve(labels, scores)
    return float(np.trapezoid(true, false))


def pauc(labels: npt.ArrayLike, scores: npt.ArrayLike, max_fpr: float = MAX_FPR) -> float:
    """Area under the ROC curve at false positive rates up to `max_fpr`, standardised so that chance is 0.5.

    Parameters
    ----------
    labels, scores
        As for `roc_curve`.
    max_fpr
        Between 0 and 1, both excluded; DCASE Task 2 takes 0.1.

    References
    ----------
    McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9 (1989).
    """
    false, true = roc_curve(labels, scores)
    stop = np.searchsorted(false, max_fpr, "right")
    true = np.append(true[:stop], np.interp(max_fpr, false[stop - 1 : stop + 1], true[stop - 1 : stop + 1]))
    false = np.append(false[:stop], max_fpr)
    chance = 0.5 * max_fpr**2
    return float(0.5 * (1 + (np.trapezoid(true, false) - chance) / (max_fpr - chance)))


@dataclass(frozen=True)
class IdResult:
    """AUC and pAUC of one id under one name (a member's or a system's); None where a class is missing."""

    machine: str
    id: str
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    n_normal: int
    n_anomaly: int


@dataclass(frozen=True)
class Mean:
    """AUC and pAUC averaged: over the ids of one machine, or (`machine` None) over machines."""

    machine: str | None
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    of: int


@dataclass(frozen=True)
class Labelled:
    """A test clip with what is known of it: the truth that scores are joined to, by name."""

    name: str
    machine: str
    id: str
    label: int


def evaluate(truth: Sequence[Labelled], scores: Mapping[str, float], *, name: str, kind: str) -> list[IdResult]:
    """AUC and pAUC of each machine id, scores joined to clips by name.

    Parameters
    ----------
    truth
        Labelled test clips.
    scores
        Clip name to score. A clip of `truth` without a score, or with one that is not finite, is an error.
    name, kind
        What produced the scores; copied into the results.

    Raises
    ------
    DataError
        For missing or non-finite scores, and for clips named twice; all of them at once.
    """
    problems = [f"{clip}: listed {n} times" for clip, n in Counter(c.name for c in truth).items() if n > 1]
    problems += [f"{c.name}: no score of {name}" for c in truth if c.name not in scores]
    problems += [
        f"{c.name}: the score of {name} is {scores[c.name]}"
        for c in truth
        if c.name in scores and not np.isfinite(scores[c.name])
    ]
    if problems:
        raise DataError("\n".join(problems), hint="Scores and clips must match one to one before anything is averaged.")
    groups: dict[tuple[str, str], list[Labelled]] = {}
    for clip in truth:
        groups.setdefault((clip.machine, clip.id), []).append(clip)
    results = []
    for (machine, id_), clips in sorted(groups.items()):
        labels = [c.label for c in clips]
        values = [scores[c.name] for c in clips]
        n_anomaly = sum(labels)
        n_normal = len(labels) - n_anomaly
        both = n_anomaly > 0 and n_normal > 0
        results.append(
            IdResult(
                machine,
                id_,
                name,
                kind,
                auc(labels, values) if both else None,
                pauc(labels, values) if both else None,
                n_normal,
                n_anomaly,
            )
        )
    return results


def means(results: Iterable[IdResult]) -> list[Mean]:
    """Arithmetic means as in DCASE 2020 Task 2: over ids, then over machines; ids without both classes stay out."""
    by_machine: dict[tuple[str, str, str], list[IdResult]] = {}
    for result in results:
        by_machine.setdefault((result.name, result.kind, result.machine), []).append(result)
    averaged: list[Mean] = []
    for (name, kind, machine), rows in by_machine.items():
        averaged.append(_mean(machine, name, kind, [(r.auc, r.pauc) for r in rows]))
    overall: dict[tuple[str, str], list[Mean]] = {}
    for mean in averaged:
        overall.setdefault((mean.name, mean.kind), []).append(mean)
    return averaged + [_mean(None, name, kind, [(m.auc, m.pauc) for m in ms]) for (name, kind), ms in overall.items()]


def _mean(machine: str | None, name: str, kind: str, pairs: list[tuple[float | None, float | None]]) -> Mean:
    known = [(a, p) for a, p in pairs if a is not None and p is not None]
    if not known:
        return Mean(machine, name, kind, None, None, 0)
    return Mean(machine, name, kind, fmean(a for a, _ in known), fmean(p for _, p in known), len(known))
