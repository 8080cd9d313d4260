"""Spectra, bands and decibels in scalar loops: the same functions as `asdkit.kernels.log_mel_simd`, but slower.

They depend on nothing but Numba's public surface, and are used where the SIMD kernels do not work. Arithmetic is in
float64, so results are at least as accurate.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asdkit.kernels.filter_bank import POWER_FLOOR, FilterBank
from asdkit.kernels.jit import kernel

FloatArray = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex128]


class PlainTables(NamedTuple):
    """Tables for frames of one length.

    Attributes
    ----------
    order
        [int64, ``[n_fft / 2]``] Bit-reversed indices.
    roots
        [complex128, ``[n_fft / 2]``] ``exp(-2 pi i k / n_fft)``.
    """

    order: npt.NDArray[np.int64]
    roots: ComplexArray


def spectra(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, magnitude: bool, out: FloatArray
) -> None:
    """Compute spectra of all frames; parameters as in `asdkit.kernels.log_mel_simd.spectra`."""
    _spectra(wave, lead, reflect, hop, window, _tables(len(window)), magnitude, out)


def band_rows(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, magnitude: bool, bank: FilterBank,
    decibels: bool, out: FloatArray,
) -> None:  # fmt: skip
    """Compute the bands of all frames; parameters as in `asdkit.kernels.log_mel_simd.band_rows`."""
    _band_rows(wave, lead, reflect, hop, window, _tables(len(window)), magnitude, bank, decibels, out)


def power_to_db(power: FloatArray) -> FloatArray:
    """Decibels of power [float32, any shape], a new array."""
    db = power.flatten()
    _decibels(db)
    return db.reshape(power.shape)


@kernel
def padded_block(wave: Any, begin: int, length: int, reflect: bool, stage: Any) -> tuple[Any, int]:
    """Array and index at which to read `length` samples from sample `begin` of the wave on.

    The array is the wave itself, or `stage`, filled with the samples and their padding, if the wave is too short.
    """
    samples = len(wave)
    if begin >= 0 and begin + length <= samples:
        return wave, begin
    period = max(2 * (samples - 1), 1)
    for i in range(length):
        at = begin + i
        if reflect:
            at = at % period
            at = min(at, period - at)
        stage[i] = wave[at] if 0 <= at < samples else 0
    return stage, 0


@kernel
def _spectra(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, tables: PlainTables, magnitude: bool,
    out: FloatArray,
) -> None:  # fmt: skip
    n_fft = len(window)
    stage = np.empty(n_fft, wave.dtype)
    z = np.empty(n_fft // 2, np.complex128)
    power = np.empty(n_fft // 2 + 1)
    for t in range(len(out)):
        samples, start = padded_block(wave, t * hop - lead, n_fft, reflect, stage)
        _power_spectrum(samples, start, window, tables, magnitude, z, power)
        for k in range(len(power)):
            out[t, k] = power[k]


@kernel
def _band_rows(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, tables: PlainTables, magnitude: bool,
    bank: FilterBank, decibels: bool, out: FloatArray,
) -> None:  # fmt: skip
    n_fft = len(window)
    stage = np.empty(n_fft, wave.dtype)
    z = np.empty(n_fft // 2, np.complex128)
    power = np.empty(n_fft // 2 + 1)
    for t in range(len(out)):
        samples, start = padded_block(wave, t * hop - lead, n_fft, reflect, stage)
        _power_spectrum(samples, start, window, tables, magnitude, z, power)
        rise = 0.0
        for m in range(len(bank.begins) - 1):
            below, fall = rise, 0.0
            rise = 0.0
            for k in range(bank.begins[m], bank.begins[m + 1]):
                rise += power[bank.bins[k]] * bank.weights[k, 0]
                fall += power[bank.bins[k]] * bank.weights[k, 1]
            if m > 0:
                out[t, m - 1] = _decibel(below + fall) if decibels else below + fall


@kernel
def _power_spectrum(
    samples: Any, start: int, window: FloatArray, tables: PlainTables, magnitude: bool, z: ComplexArray,
    power: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Spectrum of the frame at sample `start`: a radix-2 transform of half its length, unpacked as in `fft`."""
    half = len(z)
    for i in range(half):
        j = 2 * tables.order[i]
        even = np.float64(samples[start + j]) * window[j]
        odd = np.float64(samples[start + j + 1]) * window[j + 1]
        z[i] = complex(even, odd)
    width = 1
    while width < half:
        for first in range(0, half, 2 * width):
            for k in range(width):
                a, b = z[first + k], z[first + width + k] * tables.roots[k * (half // width)]
                z[first + k], z[first + width + k] = a + b, a - b
        width *= 2
    for k in range(half // 2 + 1):
        a, b = z[k], z[(half - k) % half].conjugate()
        even_part, odd_part = a + b, (a - b) * -1j * tables.roots[k]
        _store_power(power, k, even_part + odd_part, magnitude)
        _store_power(power, half - k, even_part - odd_part, magnitude)


@kernel
def _store_power(power: npt.NDArray[np.float64], k: int, value: complex, magnitude: bool) -> None:
    squared = value.real * value.real + value.imag * value.imag
    power[k] = np.sqrt(squared) if magnitude else squared


@kernel
def _decibels(power: FloatArray) -> None:
    for i in range(len(power)):
        power[i] = _decibel(np.float64(power[i]))


@kernel
def _decibel(power: float) -> float:
    """``10 log10(max(power, 1e-10))``; NaN and Inf stay."""
    return 10.0 * math.log10(POWER_FLOOR if power < POWER_FLOOR else power)


@lru_cache(maxsize=16)
def _tables(n_fft: int) -> PlainTables:
    half = n_fft // 2
    order = np.zeros(1, np.int64)
    while len(order) < half:
        order = np.concatenate([2 * order, 2 * order + 1])
    return PlainTables(order, np.exp(-2j * np.pi * np.arange(half) / n_fft))
