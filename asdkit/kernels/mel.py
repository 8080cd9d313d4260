"""Mel filters: triangles on the mel scale, by librosa's conventions."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from asdkit.kernels.decibel import decibel
from asdkit.kernels.jit import kernel
from asdkit.kernels.lanes import load, spread, store

Norm = Literal["slaney"] | None

_LINEAR = 200.0 / 3  # Hz a mel below 1 kHz, on Slaney's scale
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR
_LOG_STEP = np.log(6.4) / 27  # 27 mels from 1 kHz to 6.4 kHz


def hz_to_mel(hz: npt.ArrayLike, *, htk: bool = False) -> npt.NDArray[np.float64]:
    """Frequency in Hz to mel: Slaney's scale (Auditory Toolbox, 1998), or HTK's."""
    hz = np.asarray(hz, dtype=np.float64)
    if htk:
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR, above)


def mel_to_hz(mel: npt.ArrayLike, *, htk: bool = False) -> npt.NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    if htk:
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR, above)


def mel_edges(n_mels: int, fmin: float, fmax: float, htk: bool) -> npt.NDArray[np.float64]:
    """Edges of the triangles in Hz [float64, ``[n_mels + 2]``]: filter ``m`` rises from edge m, falls to m + 2."""
    low, high = hz_to_mel(fmin, htk=htk), hz_to_mel(fmax, htk=htk)
    return mel_to_hz(np.linspace(low, high, n_mels + 2), htk=htk)


def mel_centres(n_mels: int, *, fmin: float, fmax: float, htk: bool = False) -> npt.NDArray[np.float64]:
    """Where each triangle is highest, in Hz [float64, ``[n_mels]``]: parameters as `mel_filters` has them."""
    return mel_edges(n_mels, fmin, fmax, htk)[1:-1]


def mel_filters(
    *,
    sample_rate: float,
    n_fft: int,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: Norm = "slaney",
) -> npt.NDArray[np.float64]:
    """Weights of all filters as a dense matrix, as `librosa.filters.mel` gives them.

    Parameters
    ----------
    sample_rate, n_fft
        Samples a second, and samples of a frame.
    n_mels
        Number of filters.
    fmin, fmax
        Lowest and highest frequency, Hz; `fmax` defaults to half the sample rate.
    htk
        HTK's mel scale instead of Slaney's.
    norm
        ``"slaney"`` divides each triangle by its width in Hz; None leaves its peak at one.

    Returns
    -------
    filters
        [float64, ``[n_mels, 1 + n_fft // 2]``]
    """
    edges = mel_edges(n_mels, float(fmin), float(sample_rate / 2 if fmax is None else fmax), htk)
    bins = np.arange(1 + n_fft // 2) * (sample_rate / n_fft)
    widths = np.diff(edges)[:, None]
    ramps = bins - edges[:, None]
    rising, falling = ramps[:-2] / widths[:-1], -ramps[2:] / widths[1:]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return filters


class MelBank(NamedTuple):
    """Mel filters as a kernel uses them: each bin rises in one filter and falls in the one before.

    Attributes
    ----------
    begins
        [int64, ``[n_mels + 2]``] First bin at or above each edge.
    weights
        [float32, ``[1 + n_fft // 2, 2]``] For a bin between edges m and m + 1: its weight in filter m, which rises
        there, and in filter m - 1, which falls there.
    """

    begins: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


def mel_bank(
    filters: npt.NDArray[np.float64], n_mels: int, spacing: float, fmin: float, fmax: float, htk: bool
) -> MelBank:
    """Filters of `mel_filters`, over bins `spacing` Hz apart, as a kernel uses them."""
    bins = filters.shape[1]
    begins = np.searchsorted(np.arange(bins) * spacing, mel_edges(n_mels, fmin, fmax, htk))
    weights = np.zeros((bins, 2), np.float32)
    for m in range(n_mels + 1):
        between = slice(begins[m], begins[m + 1])
        if m < n_mels:
            weights[between, 0] = filters[m, between]
        if m > 0:
            weights[between, 1] = filters[m - 1, between]
    return MelBank(begins, weights)


@kernel
def mel_bands(power: Any, bank: MelBank, decibels: bool, bands: Any) -> None:
    """Mel bands of `LANES` spectra: rows ``[bins, LANES]`` into rows ``[n_mels, LANES]``, in dB if so asked.

    Each bin is loaded once for both its filters, and two bins are summed at a time, so that additions need not wait
    for each other.
    """
    begins, weights = bank.begins, bank.weights
    n_mels = len(begins) - 2
    nothing = spread(np.float32(0.0))
    rise = nothing
    k = begins[0]
    for m in range(n_mels + 1):
        last = begins[m + 1]
        even_rise = even_fall = odd_rise = odd_fall = nothing
        while k + 1 < last:
            even, odd = load(power, k), load(power, k + 1)
            even_rise = even_rise + even * spread(weights[k, 0])
            even_fall = even_fall + even * spread(weights[k, 1])
            odd_rise = odd_rise + odd * spread(weights[k + 1, 0])
            odd_fall = odd_fall + odd * spread(weights[k + 1, 1])
            k += 2
        if k < last:
            even = load(power, k)
            even_rise = even_rise + even * spread(weights[k, 0])
            even_fall = even_fall + even * spread(weights[k, 1])
            k += 1
        if m > 0:
            store(bands, m - 1, rise + (even_fall + odd_fall))
        rise = even_rise + odd_rise
    if decibels:
        for m in range(n_mels):
            store(bands, m, decibel(load(bands, m)))
