"""Mel filters: triangles on the mel scale, by librosa's conventions. NumPy only, free of Numba."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.kernels.filter_bank import FilterBank

Norm = Literal["slaney"] | None

_HZ_PER_MEL = 200.0 / 3  # below 1 kHz, on Slaney's scale
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27  # 27 mels from 1 kHz to 6.4 kHz


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
    """Weights of all filters as a dense matrix, like `librosa.filters.mel`.

    Parameters
    ----------
    sample_rate, n_fft
        Samples per second, and samples of a frame.
    n_mels
        Number of filters.
    fmin, fmax
        Lowest and highest frequency, Hz; `fmax` defaults to half the sample rate.
    htk
        HTK's mel scale instead of Slaney's.
    norm
        ``"slaney"`` divides each triangle by half its width in Hz; None leaves its peak at one.

    Returns
    -------
    filters
        [float64, ``[n_mels, 1 + n_fft // 2]``]

    Examples
    --------
    >>> from asdkit.kernels import mel_filters
    >>> mel_filters(sample_rate=16000, n_fft=1024, n_mels=128).shape
    (128, 513)
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


def mel_centres(n_mels: int, *, fmin: float, fmax: float, htk: bool = False) -> npt.NDArray[np.float64]:
    """Frequency of each triangle's peak in Hz [float64, ``[n_mels]``]; parameters as in `mel_filters`.

    Examples
    --------
    >>> from asdkit.kernels import mel_centres
    >>> mel_centres(4, fmin=0, fmax=1000)
    array([200., 400., 600., 800.])
    """
    return mel_edges(n_mels, fmin, fmax, htk)[1:-1]


def mel_edges(n_mels: int, fmin: float, fmax: float, htk: bool) -> npt.NDArray[np.float64]:
    """Edges of the triangles in Hz [float64, ``[n_mels + 2]``]: filter m begins at edge m and ends at edge m + 2."""
    low, high = hz_to_mel(fmin, htk=htk), hz_to_mel(fmax, htk=htk)
    return mel_to_hz(np.linspace(low, high, n_mels + 2), htk=htk)


def hz_to_mel(hz: npt.ArrayLike, *, htk: bool = False) -> npt.NDArray[np.float64]:
    """Convert Hz to mel, by Slaney's scale (Auditory Toolbox, 1998) or HTK's."""
    hz = np.asarray(hz, dtype=np.float64)
    if htk:
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: npt.ArrayLike, *, htk: bool = False) -> npt.NDArray[np.float64]:
    """Convert mel to Hz, the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    if htk:
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


def mel_bank(
    filters: npt.NDArray[np.float64], n_mels: int, spacing: float, fmin: float, fmax: float, htk: bool
) -> FilterBank:
    """Convert the matrix of `mel_filters`, over bins `spacing` Hz apart."""
    bins = filters.shape[1]
    begins = np.searchsorted(np.arange(bins) * spacing, mel_edges(n_mels, fmin, fmax, htk))
    weights = np.zeros((bins, 2), np.float32)
    for m in range(n_mels + 1):
        between = slice(begins[m], begins[m + 1])
        if m < n_mels:
            weights[between, 0] = filters[m, between]
        if m > 0:
            weights[between, 1] = filters[m - 1, between]
    return FilterBank(begins, np.arange(bins), weights)
