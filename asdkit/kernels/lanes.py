"""A value of several numbers abreast: one SIMD lane a frame.

Kernels work on `LANES` frames at once. Row ``i`` of a buffer [float32, ``[rows, LANES]``] holds number ``i`` of each
of them, so that whatever an equation says of one frame is one vector instruction for all, with no shuffling between
lanes. Numba has no such type (its loops over lanes leave it to LLVM to prove that buffers do not overlap, which it
cannot), so it is made here: `load`, arithmetic, `store`. The bodies below are the meaning, and what runs without the
JIT; `asdkit.kernels.lowering` says what Numba makes of them. None of them checks bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding

LANES = 16 if binding.get_host_cpu_features().get("avx512f", False) else 8

TILE = 2 * LANES
"""Consecutive samples of each frame that `load_tile` brings in."""


def load(rows: Any, i: int) -> Any:
    """Row `i`."""
    return rows[i].copy()


def store(rows: Any, i: int, lanes: Any) -> None:
    """Write row `i`."""
    rows[i] = lanes


def spread(number: Any) -> Any:
    """A float32 number in all lanes."""
    return np.full(LANES, number, np.float32)


def at_least(lanes: Any, floor: Any) -> Any:
    """Each lane, or `floor` where it is below; NaN stays."""
    return np.where(lanes < np.float32(floor), np.float32(floor), lanes)


def root(lanes: Any) -> Any:
    """Square root."""
    return np.sqrt(lanes)


def exponent(lanes: Any) -> Any:
    """``e`` of ``m * 2**e``, m in [1, 2), for positive normal numbers."""
    return (np.frexp(lanes)[1] - 1).astype(np.float32)


def mantissa(lanes: Any) -> Any:
    """``m`` of ``m * 2**e``, m in [1, 2), for positive normal numbers."""
    return 2 * np.frexp(lanes)[0]


def where_finite(lanes: Any, then: Any) -> Any:
    """`then` where `lanes` is a number below infinity, `lanes` itself where it is NaN or Inf."""
    return np.where(lanes < np.float32(np.inf), then, lanes)


def load_tile(samples: Any, start: int, hop: int, rows: Any, at: int) -> None:
    """Transpose `TILE` samples of each frame into rows: ``rows[at + i, lane] = samples[start + lane * hop + i]``."""
    for lane in range(LANES):
        begin = start + lane * hop
        rows[at : at + TILE, lane] = samples[begin : begin + TILE]


def store_tile(rows: Any, at: int, out: Any, frame: int, band: int) -> None:
    """Transpose `LANES` rows into frames: ``out[frame + lane, band + i] = rows[at + i, lane]``."""
    out[frame : frame + LANES, band : band + LANES] = rows[at : at + LANES].T


def load_at(numbers: Any, at: int) -> Any:
    """`LANES` consecutive numbers of a C-contiguous array of any shape."""
    return numbers.reshape(-1)[at : at + LANES].copy()


def store_at(numbers: Any, at: int, lanes: Any) -> None:
    """Write `LANES` consecutive numbers of a C-contiguous array of any shape."""
    numbers.reshape(-1)[at : at + LANES] = lanes


def prefetch(numbers: Any, at: int) -> None:
    """Ask for the memory at `at` to be in cache soon; it may lie beyond the array."""
