"""Decibels of power, by a polynomial on the bits of the number."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import inline, kernel
from asdkit.kernels.lanes import LANES, at_least, exponent, load, mantissa, spread, store, where_finite

FLOOR = np.float32(1e-10)
"""Power below this counts as this: -100 dB (librosa's ``amin``)."""

_OCTAVE = np.float32(10 * np.log10(2.0))

# 10 log10(1 + t) = t q(t), 0 <= t < 1. q: Chebyshev interpolation of degree 6, lowest coefficient first;
# error below 4e-6 dB, that of rounding -100 dB to float32.
_Q = tuple(np.float32(c) for c in (4.3429384, -2.17086, 1.4374073, -1.0186169, 0.64403325, -0.28485507, 0.06025612))


@inline
def decibel(power: Any) -> Any:
    """``10 log10(max(power, 1e-10))`` of lanes; NaN and Inf stay."""
    floored = at_least(power, FLOOR)
    t = mantissa(floored) + np.float32(-1.0)
    q = spread(_Q[6])
    q = q * t + _Q[5]
    q = q * t + _Q[4]
    q = q * t + _Q[3]
    q = q * t + _Q[2]
    q = q * t + _Q[1]
    q = q * t + _Q[0]
    return where_finite(floored, exponent(floored) * _OCTAVE + q * t)


def power_to_db(power: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Decibels of power, ``10 log10(max(power, 1e-10))``, as `librosa.power_to_db` with ``top_db=None``.

    Parameters
    ----------
    power
        [float32, any shape] NaN and Inf stay what they are.

    Returns
    -------
    db
        [float32, shape of `power`] Within 1e-5 dB.
    """
    rows = np.zeros((-(-power.size // LANES), LANES), np.float32)
    rows.reshape(-1)[: power.size] = power.reshape(-1)
    _decibels(rows)
    return rows.reshape(-1)[: power.size].reshape(power.shape)


@kernel
def _decibels(rows: npt.NDArray[np.float32]) -> None:
    for i in range(len(rows)):
        store(rows, i, decibel(load(rows, i)))
