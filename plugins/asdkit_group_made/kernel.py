"""The likelihood of mixtures and its gradient in one pass over the parameters, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, kernel

Bits = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]

_HALF_LOG_TWO_PI = np.float32(0.9189385332046727)
_LOG2_E = np.float32(1.44269504088896)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ROUND = np.float32(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer, which is then in the lowest bits
_LEAST, _MOST = np.float32(-87.0), np.float32(88.0)  # beyond, float32 has no normal number for exp


def _inline(function: Callable[..., Any]) -> Any:
    """Make a function a part of its callers; products and sums in it may be fused."""
    return numba.njit(nogil=True, fastmath={"contract"}, forceinline=True)(function)


@_inline
def _exp(x: Any) -> Any:
    """Exponential within 2 units in the last place (Cephes' polynomial): one that LLVM can make vectors of."""
    x = x if x > _LEAST else _LEAST
    x = x if x < _MOST else _MOST
    shifted = x * _LOG2_E + _ROUND
    whole = shifted - _ROUND
    r = x - whole * _LN2_HIGH - whole * _LN2_LOW
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    power = np.uint32((np.float32(shifted).view(np.uint32) + np.uint32(127)) << np.uint32(23))
    return p * np.uint32(power).view(np.float32)


@_inline
def _read(bits: Any, shift: Any) -> Any:
    """Read a number from its bits: `shift` is 16 for bfloat16, 0 for float32."""
    return np.uint32(np.uint32(bits) << shift).view(np.float32)


@_inline
def _bits(value: Any, shift: Any) -> Any:
    """Bits of a number, rounded to the nearest, ties to even, where 16 of them are dropped."""
    whole = np.uint32(np.float32(value).view(np.uint32))
    if shift:
        whole = np.uint32(whole + np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1)))
    return np.uint32(whole >> shift)


@kernel
def likelihood(
    parameters: Bits,
    shift: int,
    offset: FloatArray,
    target: FloatArray,
    floor: float,
    outliers: float,
    outlier_density: float,
    nll: FloatArray,
    gradient: Bits,
    by_offset: FloatArray,
) -> None:
    """Negative log-likelihood of each row, and its gradient.

    Parameters
    ----------
    parameters
        [uint16 or uint32, ``[rows, 3, components, bins]``] Bits of logits, means, log-variances.
    shift
        16 where these are bfloat16, 0 where they are float32.
    offset, target
        [float32, ``[rows, bins]``]
    floor
        Least log-variance.
    outliers, outlier_density
        Share of values that may be anything, and their density; in `nll` alone, not in its gradient.
    nll
        [float32, ``[rows]``] Written: nats a bin.
    gradient
        [as `parameters`] Written: gradient of the sum over bins; with no rows, not computed.
    by_offset
        [float32, ``[rows, bins]``] Written with `gradient`: gradient by the offset.
    """
    rows, _, components, bins = parameters.shape
    wanted = len(gradient) > 0
    floor32, half, one, zero = np.float32(floor), np.float32(0.5), np.float32(1), np.float32(0)
    drop = np.uint32(shift)
    within, anywhere = np.float32(1 - outliers), np.float32(outliers * outlier_density)
    # Of one row, all in the first-level cache: bins are abreast, components one after the other.
    away = np.empty((components, bins), np.float32)
    precision = np.empty((components, bins), np.float32)
    prior = np.empty((components, bins), np.float32)
    joint = np.empty((components, bins), np.float32)
    top_prior, top_joint = np.empty(bins, np.float32), np.empty(bins, np.float32)
    sum_prior, sum_joint = np.empty(bins, np.float32), np.empty(bins, np.float32)
    for row in range(rows):
        raw = parameters[row]
        for j in range(bins):
            top_prior[j] = top_joint[j] = -np.inf
            sum_prior[j] = sum_joint[j] = zero
        for c in range(components):
            for j in range(bins):
                logit, spread = _read(raw[0, c, j], drop), _read(raw[2, c, j], drop)
                spread = spread if spread > floor32 else floor32
                inverse = _exp(-spread)
                d = target[row, j] - offset[row, j] - _read(raw[1, c, j], drop)
                log_joint = logit - half * (spread + d * d * inverse)
                away[c, j], precision[c, j], prior[c, j], joint[c, j] = d, inverse, logit, log_joint
                top_prior[j] = logit if logit > top_prior[j] else top_prior[j]
                top_joint[j] = log_joint if log_joint > top_joint[j] else top_joint[j]
        for c in range(components):
            for j in range(bins):
                prior[c, j] = _exp(prior[c, j] - top_prior[j])
                joint[c, j] = _exp(joint[c, j] - top_joint[j])
                sum_prior[j] += prior[c, j]
                sum_joint[j] += joint[c, j]
        total = zero
        for j in range(bins):
            own = np.log(sum_prior[j] / sum_joint[j]) + (top_prior[j] - top_joint[j]) + _HALF_LOG_TWO_PI
            if outliers > 0 and own < np.float32(np.inf):  # else a frame is not finite, and no score may hide it
                own = -np.log(within * _exp(-own) + anywhere)
            total += own
        nll[row] = total / np.float32(bins)
        if not wanted:
            continue
        made = gradient[row]
        for j in range(bins):
            sum_prior[j], sum_joint[j] = one / sum_prior[j], one / sum_joint[j]
            by_offset[row, j] = zero
        for c in range(components):
            for j in range(bins):
                share = joint[c, j] * sum_joint[j]
                pull = share * away[c, j] * precision[c, j]
                widen = half * (share - pull * away[c, j])
                # Below the floor only a step upwards can change anything.
                widen = zero if (widen > zero and _read(raw[2, c, j], drop) < floor32) else widen
                made[0, c, j] = _bits(prior[c, j] * sum_prior[j] - share, drop)
                made[1, c, j] = _bits(-pull, drop)
                made[2, c, j] = _bits(widen, drop)
                by_offset[row, j] -= pull
