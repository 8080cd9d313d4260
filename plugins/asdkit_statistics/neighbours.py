"""Nearest training windows, and how far they are."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray
from asdkit_statistics.config import Side
from asdkit_statistics.detector import one_sided

Array = npt.NDArray[np.floating]
Indices = npt.NDArray[np.integer]
Metric = Literal["euclidean", "cosine"]

_AT_ONCE = 4_000_000  # differences computed at a time


def nearest(known: FloatArray, new: FloatArray, count: int, metric: Metric, side: Side) -> tuple[Array, Indices]:
    """Find the nearest of the known windows to each new one.

    Parameters
    ----------
    known, new
        [float32, ``[windows, numbers]``] Standardised summaries by one statistic.
    count
        How many neighbours to find.
    metric, side
        ``"euclidean"``: ``|one_sided(new - known)|``; ``"cosine"``: ``(1 - cos(new, known)) / 2``.

    Returns
    -------
    distances, indices
        [``[new, count]``] Ascending distances, and whose they are.
    """
    if side != "both":
        return _nearest_on_a_side(known, new, count, side)
    from sklearn.neighbors import NearestNeighbors

    if metric == "cosine":  # in float64, because 1 - cos is small
        search = NearestNeighbors(n_neighbors=count, metric="cosine").fit(known.astype(np.float64))
        distances, indices = search.kneighbors(new.astype(np.float64))
        return distances / 2, indices
    distances, indices = NearestNeighbors(n_neighbors=count).fit(known).kneighbors(new)
    return distances, indices


def _nearest_on_a_side(known: FloatArray, new: FloatArray, count: int, side: Side) -> tuple[Array, Indices]:
    distances, indices = np.empty((len(new), count)), np.empty((len(new), count), np.int64)
    at_once = max(1, _AT_ONCE // known.size)
    for first in range(0, len(new), at_once):
        rows = slice(first, first + at_once)
        every = np.linalg.norm(one_sided(new[rows, None] - known, side), axis=2)
        indices[rows] = np.argsort(every, axis=1, kind="stable")[:, :count]
        distances[rows] = np.take_along_axis(every, indices[rows], axis=1)
    return distances, indices
