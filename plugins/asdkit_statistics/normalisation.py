"""Local score normalisation: distances related to how far apart the training windows are around each of them.

Where a bank mixes domains, the windows of a sparse one lie far from each other, and so does a healthy new one. With D a
distance, y a training window and y_k its k-th nearest other one:

- ``ldn-ratio``, ``ldn-difference`` (local density-based normalisation, Wilkinghoff et al. 2025):
  ``D(x, y) / m(y)`` and ``D(x, y) - m(y)``, with ``m(y) = sum_k r**k D(y, y_k) / sum_k r**k`` over K neighbours;
- ``ced`` (cluster exit detection, arXiv 2602.18777): the ratio with K(y) neighbours, the first k at which
  ``D(y, y_k) / D(y, y_(k+1))`` is below the 4th percentile of these ratios of all training windows, or K;
- ``varmin``: ``D(x, y) - alpha b(y)``, with b the mean distance to the 4 nearest others, and
  ``alpha = Cov(u, v) / Var(v)`` of u, the distance of each training window to its nearest other, and v = b of that one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit_statistics.config import Normalisation

Array = npt.NDArray[np.floating]

_FLOOR = 1e-2  # of the mean: least distance around a training window that has copies
_EXIT_PERCENTILE = 4.0
_VARMIN_NEIGHBOURS = 4
_LEAST_VARIANCE = 1e-12


def neighbours_needed(normalise: Normalisation, local_neighbours: int) -> int:
    """How many nearest others of each training window `local_scale` takes."""
    return _VARMIN_NEIGHBOURS if normalise == "varmin" else local_neighbours


def local_scale(distances: Array, nearest: npt.NDArray[np.integer], normalise: Normalisation, decay: float) -> Array:
    """What the distance to each training window is divided by, or what is subtracted from it [float, ``[windows]``].

    Parameters
    ----------
    distances
        [``[windows, K]``] To the nearest other training windows, ascending.
    nearest
        [int, ``[windows]``] The nearest other one.
    """
    if normalise == "varmin":
        around = distances.mean(axis=1)
        closest, beyond = distances[:, 0], around[nearest]
        covariance = np.cov(closest, beyond, ddof=0)
        alpha = covariance[0, 1] / covariance[1, 1] if covariance[1, 1] > _LEAST_VARIANCE else 0.0
        return np.asarray(alpha * around)
    weights = np.broadcast_to(decay ** np.arange(distances.shape[1], dtype=np.float64), distances.shape)
    if normalise == "ced":
        weights = np.where(np.arange(distances.shape[1]) < _cluster_sizes(distances)[:, None], weights, 0.0)
    means = (weights * distances).sum(axis=1) / weights.sum(axis=1)
    if normalise == "ldn-difference":
        return np.asarray(means)
    return np.asarray(np.maximum(means, _FLOOR * means.mean() or 1.0))


def normalised(distances: Array, scale: Array, normalise: Normalisation) -> Array:
    """Relate distances to training windows [``[windows, training windows]``] to the `local_scale` of these."""
    return np.asarray(distances - scale if normalise in ("ldn-difference", "varmin") else distances / scale)


def _cluster_sizes(distances: Array) -> npt.NDArray[np.int64]:
    """Nearest others of each training window within its cluster, by the first unusual step to the next."""
    count = distances.shape[1]
    if count < 2:
        return np.full(len(distances), count)
    ratios = distances[:, :-1] / np.maximum(distances[:, 1:], np.finfo(np.float64).tiny)
    exits = ratios < np.percentile(ratios, _EXIT_PERCENTILE)
    return np.asarray(np.where(exits.any(axis=1), exits.argmax(axis=1) + 1, count), np.int64)
