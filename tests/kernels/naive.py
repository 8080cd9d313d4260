"""The definition of each kernel in float64, as plainly as NumPy allows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def hann(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def mirrored(index, length):
    """Indices into a wave that is mirrored at its ends, as often as necessary."""
    if length == 1:
        return np.zeros_like(index)
    index = index % (2 * (length - 1))
    return np.minimum(index, 2 * (length - 1) - index)


def frames(wave, n_fft, hop_length, *, window=None, center=True, pad_mode="constant"):
    """Windowed frames [float64, ``[frames, n_fft]``]."""
    wave = wave / 32768.0 if wave.dtype == np.int16 else wave.astype(np.float64)
    if window is None:
        weights = hann(n_fft)
    else:
        weights = np.zeros(n_fft)
        begin = (n_fft - len(window)) // 2
        weights[begin : begin + len(window)] = window
    lead = n_fft // 2 if center else 0
    length = len(wave) + 2 * lead
    rows = []
    for begin in range(0, length - n_fft + 1, hop_length):
        at = np.arange(begin, begin + n_fft) - lead
        frame = np.zeros(n_fft)
        if pad_mode == "reflect":
            frame[:] = wave[mirrored(at, len(wave))]
        else:
            inside = (at >= 0) & (at < len(wave))
            frame[inside] = wave[at[inside]]
        rows.append(frame * weights)
    return np.array(rows).reshape(-1, n_fft)


def stft(wave, *, n_fft, hop_length, power=2, **framing):
    """Power spectra by NumPy's float64 transform [``[frames, bins]``]."""
    return np.abs(np.fft.rfft(frames(wave, n_fft, hop_length, **framing))) ** power


def dft(numbers):
    """Discrete Fourier transform by its sum."""
    n = np.arange(len(numbers))
    return np.exp(-2j * np.pi * np.outer(n, n) / len(numbers)) @ numbers


def mel_filter(edges, frequency, norm):
    """Weight of a frequency in the triangle with these three edges, in Hz."""
    low, peak, high = edges
    height = 2 / (high - low) if norm == "slaney" else 1.0
    if low < frequency <= peak:
        return height * (frequency - low) / (peak - low)
    if peak < frequency < high:
        return height * (high - frequency) / (high - peak)
    return 0.0


def decibel(power):
    return 10 * np.log10(np.maximum(power, 1e-10))


def band_spectrum(wave, *, sample_rate, n_fft, n_bands, fmin, fmax):
    """One-sided power spectral density in log-spaced bands, dB; |X|^2 counts as at least 1e-10."""
    spectra = stft(wave, n_fft=n_fft, hop_length=n_fft // 2, center=False)
    frequencies = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    sides = np.where((frequencies == 0) | (frequencies == sample_rate / 2), 1, 2)
    edges = np.geomspace(fmin, fmax, n_bands + 1)
    bands = []
    for low, high in pairwise(edges):
        inside = (frequencies >= low) & (frequencies < high)
        if not inside.any():
            inside[np.abs(frequencies - np.sqrt(low * high)).argmin()] = True
        bands.append((spectra * sides)[:, inside].mean(axis=1))
    return decibel(np.array(bands).T) - 10 * np.log10(sample_rate * (hann(n_fft) ** 2).sum())


def gather(frames, starts, length, mean=None, scale=None, groups=None):
    windows = np.stack([frames[s : s + length] for s in starts]).astype(np.float64)
    if mean is None:
        return windows
    return (windows - (mean if groups is None else mean[groups][:, None])) * scale
