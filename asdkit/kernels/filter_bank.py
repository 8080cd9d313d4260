"""Filters over the bins of a spectrum, in the form that kernels use. NumPy only, free of Numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

POWER_FLOOR = np.float32(1e-10)
"""Smaller powers count as this one, -100 dB (librosa's ``amin``)."""


class FilterBank(NamedTuple):
    """Filters whose bins are listed filter by filter: each bin rises in one filter and falls in the previous one.

    Attributes
    ----------
    begins
        [int64, ``[filters + 2]``] First entry of `bins` and `weights` at or above each edge.
    bins
        [int64, ``[entries]``] Bin of each entry. Mel triangles use each bin once; bands narrower than the spacing of
        bins share one.
    weights
        [float32, ``[entries, 2]``] For an entry between edges m and m + 1: its weight in filter m, which rises there,
        and in filter m - 1, which falls there.
    """

    begins: npt.NDArray[np.int64]
    bins: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
