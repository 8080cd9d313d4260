"""Areas under ROC curves of random weights: the inner loop of the bootstrap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def weighted_areas(
    places: IntArray, labels: IntArray, normal: FloatArray, anomaly: FloatArray, max_fpr: float, out: FloatArray
) -> None:
    """Compute AUC and partial AUC of each resample, in one pass down the ranking.

    The mass of a class lies in the gaps between its clips, one weight a gap, spread evenly over what the clips of the
    other class divide it into (a histospline). A clip's weight is that of the gap above it, the last weight that of
    the gap below all. Clips of equal score have no gap between them: their mass lies on the score itself.

    Parameters
    ----------
    places
        [int64, ``[clips]``] Place of each clip in the ranking, ascending, 0 for the highest score; clips of equal
        score share one.
    labels
        [int64, ``[clips]``] 0 normal, 1 anomaly, in the order of `places`.
    normal, anomaly
        [float64, ``[resamples, normal + 1]`` and ``[resamples, anomaly + 1]``] Weights of the gaps, from the top.
    max_fpr
        Up to which false positive rate the partial area goes.
    out
        [float64, ``[resamples, 2]``] Written: the area under the curve, and that of the part up to `max_fpr` divided
        by `max_fpr`.
    """
    clips, pieces = len(places), places[-1] + 2
    counts = np.zeros((2, pieces), np.int64)  # clips on each place
    for i in range(clips):
        counts[labels[i], places[i]] += 1
    shares = np.ones((2, pieces))  # of its gap, for the piece above each place
    for label in range(2):
        first = 0
        for piece in range(pieces):
            if counts[label, piece] > 0 or piece == pieces - 1:
                shares[label, first : piece + 1] = 1.0 / (piece + 1 - first)
                first = piece + 1
    for b in range(len(out)):
        limit = max_fpr * normal[b].sum()
        false = true = whole = part = 0.0
        n = a = 0  # the gaps that the way down has come to
        for piece in range(pieces):
            right, up = normal[b, n] * shares[0, piece], anomaly[b, a] * shares[1, piece]
            whole += right * (true + up / 2)
            if false < limit:
                width = min(right, limit - false)
                part += width * (true + up * width / right / 2)
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
                whole += right * (true + up / 2)
                if right > 0 and false < limit:
                    width = min(right, limit - false)
                    part += width * (true + up * width / right / 2)
                false += right
                true += up
        out[b, 0] = whole / (false * true)
        out[b, 1] = part / (limit * true)
