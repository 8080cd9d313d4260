"""Spectra, bands and decibels of `LANES` frames at a time; `asdkit.kernels.log_mel_plain` has the same functions.

All buffers of a block of frames stay in the cache from the samples to the finished rows.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from asdkit.kernels.fft import WORK_ROWS, FftTables, fft_tables, first_pass, remaining_passes, store_frames
from asdkit.kernels.filter_bank import POWER_FLOOR, FilterBank
from asdkit.kernels.jit import inline, kernel
from asdkit.kernels.log_mel_plain import padded_block
from asdkit.kernels.simd import LANES, TILE, at_least, exponent, load, mantissa, spread, store, where_finite

FloatArray = npt.NDArray[np.float32]

_DB_PER_OCTAVE = np.float32(10 * np.log10(2.0))

# 10 log10(1 + t) = t q(t), 0 <= t < 1. q: Chebyshev interpolation of degree 6, lowest coefficient first;
# error below 4e-6 dB, which is that of rounding -100 dB to float32.
_Q = tuple(np.float32(c) for c in (4.3429384, -2.17086, 1.4374073, -1.0186169, 0.64403325, -0.28485507, 0.06025612))


def spectra(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, magnitude: bool, out: FloatArray
) -> None:
    """Compute spectra of all frames.

    Parameters
    ----------
    wave
        [float32 or int16, ``[samples]``, C-contiguous, writable]
    lead
        Samples of padding before the wave, where the first frame begins.
    reflect
        Pad with the mirrored wave instead of zeros.
    hop
        Samples from one frame to the next.
    window
        [float32, ``[n_fft]``] From `asdkit.kernels.framing.frame_weights`; n_fft is in `FFT_SIZES`.
    magnitude
        Compute the magnitude instead of the power.
    out
        [float32, ``[frames, n_fft / 2 + 1]``, C-contiguous] Written.
    """
    n_fft = len(window)
    _spectra(wave, lead, reflect, hop, window, _tables(n_fft), magnitude, _work(n_fft), out)


def band_rows(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, magnitude: bool, bank: FilterBank,
    decibels: bool, out: FloatArray,
) -> None:  # fmt: skip
    """Compute the bands of `bank` of all frames into `out` [float32, ``[frames, bands]``], in dB if `decibels`.

    Other parameters as in `spectra`.
    """
    n_fft = len(window)
    work = _work(n_fft, out.shape[1])
    _band_rows(wave, lead, reflect, hop, window, _tables(n_fft), magnitude, bank, decibels, work, out)


def power_to_db(power: FloatArray) -> FloatArray:
    """Decibels of power [float32, any shape], a new array."""
    rows = np.zeros((-(-power.size // LANES), LANES), np.float32)
    rows.reshape(-1)[: power.size] = power.reshape(-1)
    _decibels(rows)
    return rows.reshape(-1)[: power.size].reshape(power.shape)


@kernel
def _spectra(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, tables: FftTables, magnitude: bool,
    work: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    length = (LANES - 1) * hop + len(window) + TILE
    stage = np.empty(length, wave.dtype)
    power = work[WORK_ROWS + len(window) :]
    for first in range(0, len(out), LANES):
        samples, start = padded_block(wave, first * hop - lead, length, reflect, stage)
        first_pass(samples, start, hop, window, tables.twiddles, work)
        remaining_passes(work, tables, magnitude, power)
        store_frames(power, len(window) // 2 + 1, out, first)


@kernel
def _band_rows(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, tables: FftTables, magnitude: bool,
    bank: FilterBank, decibels: bool, work: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    length = (LANES - 1) * hop + len(window) + TILE
    stage = np.empty(length, wave.dtype)
    power = work[WORK_ROWS + len(window) :]
    bands = power[len(window) // 2 + 1 :]
    for first in range(0, len(out), LANES):
        samples, start = padded_block(wave, first * hop - lead, length, reflect, stage)
        first_pass(samples, start, hop, window, tables.twiddles, work)
        remaining_passes(work, tables, magnitude, power)
        filter_bands(power, bank, decibels, bands)
        store_frames(bands, out.shape[1], out, first)


@kernel
def filter_bands(power: Any, bank: FilterBank, decibels: bool, bands: Any) -> None:
    """Bands of `LANES` spectra: rows ``[bins, LANES]`` into rows ``[bands, LANES]``, in dB if `decibels`.

    Each entry is loaded once for both its filters. Even and odd entries have separate sums, so that an addition need
    not wait for the previous one.
    """
    begins, bins, weights = bank.begins, bank.bins, bank.weights
    n_bands = len(begins) - 2
    zero = spread(np.float32(0.0))
    rise = zero
    k = begins[0]
    for m in range(n_bands + 1):
        last = begins[m + 1]
        even_rise = even_fall = odd_rise = odd_fall = zero
        while k + 1 < last:
            even, odd = load(power, bins[k]), load(power, bins[k + 1])
            even_rise = even_rise + even * spread(weights[k, 0])
            even_fall = even_fall + even * spread(weights[k, 1])
            odd_rise = odd_rise + odd * spread(weights[k + 1, 0])
            odd_fall = odd_fall + odd * spread(weights[k + 1, 1])
            k += 2
        if k < last:
            even = load(power, bins[k])
            even_rise = even_rise + even * spread(weights[k, 0])
            even_fall = even_fall + even * spread(weights[k, 1])
            k += 1
        if m > 0:
            store(bands, m - 1, rise + (even_fall + odd_fall))
        rise = even_rise + odd_rise
    if decibels:
        for m in range(n_bands):
            store(bands, m, _decibel(load(bands, m)))


@kernel
def _decibels(rows: FloatArray) -> None:
    for i in range(len(rows)):
        store(rows, i, _decibel(load(rows, i)))


@inline
def _decibel(power: Any) -> Any:
    """``10 log10(max(power, 1e-10))`` by a polynomial on the bits of the number; NaN and Inf stay."""
    floored = at_least(power, POWER_FLOOR)
    t = mantissa(floored) + np.float32(-1.0)
    q = spread(_Q[6])
    q = q * t + _Q[5]
    q = q * t + _Q[4]
    q = q * t + _Q[3]
    q = q * t + _Q[2]
    q = q * t + _Q[1]
    q = q * t + _Q[0]
    return where_finite(floored, exponent(floored) * _DB_PER_OCTAVE + q * t)


_tables = lru_cache(maxsize=16)(fft_tables)

_thread = threading.local()


def _work(n_fft: int, n_bands: int = 0) -> FloatArray:
    """Work space of this thread [float32, ``[rows, LANES]``], each row within one cache line."""
    rows = WORK_ROWS + n_fft + n_fft // 2 + n_bands + LANES
    work: FloatArray | None = getattr(_thread, "work", None)
    if work is None or len(work) < rows:
        width = 4 * LANES
        memory = np.zeros(rows * width + 64, np.uint8)
        begin = -memory.ctypes.data % 64
        work = memory[begin : begin + rows * width].view(np.float32).reshape(rows, LANES)
        _thread.work = work
    return work
