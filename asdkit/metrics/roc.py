"""The ROC curve and the areas under it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_FPR = 0.1
"""Upper limit of the false positive rate in the pAUC of DCASE Task 2."""

FloatArray = npt.NDArray[np.float64]


def roc_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute the corners of the ROC curve, from (0, 0) to (1, 1).

    Parameters
    ----------
    labels
        [int, ``[clips]``] 0 normal, 1 anomaly; both classes must occur.
    scores
        [float, ``[clips]``] Higher is more anomalous.

    Returns
    -------
    false_positive_rate, true_positive_rate
        [float64, ``[corners]``] Equal to scikit-learn's, bit for bit. Points on a line between others are left out.

    Examples
    --------
    >>> from asdkit.metrics import roc_curve
    >>> false_positive_rate, true_positive_rate = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> false_positive_rate.tolist()
    [0.0, 0.0, 0.5, 0.5, 1.0]
    >>> true_positive_rate.tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
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
    """Compute the area under the ROC curve; ties count one half.

    Parameters
    ----------
    labels, scores
        As for `roc_curve`.

    Examples
    --------
    >>> from asdkit.metrics import auc
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    false, true = roc_curve(labels, scores)
    return float(np.trapezoid(true, false))


def pauc(labels: npt.ArrayLike, scores: npt.ArrayLike, max_fpr: float = MAX_FPR) -> float:
    """Compute the area under the ROC curve at false positive rates up to `max_fpr`, standardised: chance is 0.5.

    Parameters
    ----------
    labels, scores
        As for `roc_curve`.
    max_fpr
        Between 0 and 1, both excluded; 0.1 in DCASE Task 2.

    References
    ----------
    McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9 (1989).

    Examples
    --------
    >>> from asdkit.metrics import pauc
    >>> round(pauc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.7368
    """
    false, true = roc_curve(labels, scores)
    stop = np.searchsorted(false, max_fpr, "right")
    true = np.append(true[:stop], np.interp(max_fpr, false[stop - 1 : stop + 1], true[stop - 1 : stop + 1]))
    false = np.append(false[:stop], max_fpr)
    chance = 0.5 * max_fpr**2
    return float(0.5 * (1 + (np.trapezoid(true, false) - chance) / (max_fpr - chance)))
