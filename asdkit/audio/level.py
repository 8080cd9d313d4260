"""Measure how loud a wave is, and how white its spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdkit import mapped
from asdkit.audio.channels import Wave

_BLOCK = 1 << 18  # samples at a time: a copy of a long wave would double its memory
_SEGMENT = 256  # samples of a periodogram
_SEGMENTS = 256  # periodograms of a mean, at most


@dataclass(frozen=True, slots=True)
class Level:
    """Level of a wave, full scale 1.

    Attributes
    ----------
    rms
        Root mean square.
    peak
        Largest absolute value.
    """

    rms: float
    peak: float


def measure_level(wave: Wave) -> Level:
    """Measure the level of a wave [int16 or float32, ``[samples]``]; NaN if a sample is.

    Examples
    --------
    >>> measure_level(np.array([16384, -16384], np.int16))
    Level(rms=0.5, peak=0.5)
    """
    if not len(wave):
        return Level(0.0, 0.0)
    scale = 32768.0 if wave.dtype == np.int16 else 1.0
    power = peak = 0.0
    for begin in range(0, len(wave), _BLOCK):
        with np.errstate(invalid="ignore"):  # of bytes that are no floats
            block = wave[begin : begin + _BLOCK].astype(np.float64)
        mapped.release(wave)
        power += float(np.einsum("i,i->", block, block))
        peak = float(np.maximum(peak, np.abs(block).max()))
    return Level(float(np.sqrt(power / len(wave))) / scale, peak / scale)


def spectral_flatness(wave: Wave) -> float:
    """Return the geometric by the arithmetic mean of the power spectrum: 1 for white noise, less for other sound.

    The spectrum is the mean of periodograms, without the lowest and the highest frequency. 0 for a silent wave, or one
    shorter than a few periodograms.
    """
    count = min(_SEGMENTS, len(wave) // _SEGMENT)
    if count < 4:
        return 0.0
    firsts = np.linspace(0, len(wave) - _SEGMENT, count).astype(np.int64)
    segments = wave[firsts[:, None] + np.arange(_SEGMENT)].astype(np.float64)
    spectrum = (np.abs(np.fft.rfft(segments * np.hanning(_SEGMENT), axis=1)) ** 2).mean(axis=0)[2:-1]
    if not spectrum.min() > 0:
        return 0.0
    return float(np.exp(np.log(spectrum).mean()) / spectrum.mean())
