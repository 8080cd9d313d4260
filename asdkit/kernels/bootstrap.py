"""Areas under ROC curves of random weights: the inner loop of the bootstrap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def weighted_areas(
    ranks: IntArray, labels: IntArray, normal: FloatArray, anomaly: FloatArray, max_fpr: float, out: FloatArray
) -> None:
    """Compute AUC and partial AUC of each resample, in one pass down the ranking.

    The probability mass of a class lies in the gaps between the scores of its clips (a histospline). Each gap has one
    weight. The clips of the other class divide a gap into pieces, which get equal shares of its weight. A clip's weight
    is that of the gap above it, and the last weight that of the gap below all clips. Clips of equal score have no gap
    between them: their mass lies on the score itself.

    Parameters
    ----------
    ranks
        [int64, ``[clips]``] Rank of each clip, ascending, 0 for the highest score; clips of equal score share one.
    labels
        [int64, ``[clips]``] 0 normal, 1 anomaly, in the order of `ranks`.
    normal, anomaly
        [float64, ``[resamples, normal + 1]`` and ``[resamples, anomaly + 1]``] Weights of the gaps, from the top.
    max_fpr
        False positive rate at which the partial area ends.
    out
        [float64, ``[resamples, 2]``] Written: the area under the curve, and the area up to `max_fpr` divided by
        `max_fpr`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> weighted_areas(np.array([0, 1]), np.array([1, 0]), np.ones((1, 2)), np.ones((1, 2)), 0.1, out)
    >>> out
    array([[0.65625, 0.1    ]])
    """
    counts, shares = _pieces(ranks, labels)
    for b in range(len(out)):
        limit = max_fpr * normal[b].sum()
        false = true = area = partial = 0.0
        n = a = 0  # the next gap of each class
        for piece in range(counts.shape[1]):
            right, up = normal[b, n] * shares[0, piece], anomaly[b, a] * shares[1, piece]
            area += right * (true + up / 2)
            if false < limit:
                width = min(right, limit - false)
                partial += width * (true + up * width / right / 2)
            false += right
            true += up
            right = up = 0.0
            if counts[0, piece] > 0:
                right = normal[b, n + 1 : n + counts[0, piece]].sum()
                n += counts[0, piece]
            if counts[1, piece] > 0:
                up = anomaly[b, a + 1 : a + counts[1, piece]].sum()
                a += counts[1, piece]
            if right > 0 or up > 0:  # equal scores: a straight piece of the curve
                area += right * (true + up / 2)
                if right > 0 and false < limit:
                    width = min(right, limit - false)
                    partial += width * (true + up * width / right / 2)
                false += right
                true += up
        out[b, 0] = area / (false * true)
        out[b, 1] = partial / (limit * true)


@kernel
def _pieces(ranks: IntArray, labels: IntArray) -> tuple[IntArray, FloatArray]:
    """Clips of each class at each rank, and the share of its gap that the piece above each rank has."""
    pieces = ranks[-1] + 2
    counts = np.zeros((2, pieces), np.int64)
    for i in range(len(ranks)):
        counts[labels[i], ranks[i]] += 1
    shares = np.ones((2, pieces))
    for label in range(2):
        first = 0
        for piece in range(pieces):
            if counts[label, piece] > 0 or piece == pieces - 1:
                shares[label, first : piece + 1] = 1.0 / (piece + 1 - first)
                first = piece + 1
    return counts, shares
