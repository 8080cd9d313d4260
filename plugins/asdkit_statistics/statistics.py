"""Statistics of windows over their frames, each by its equation.

Frames x[t, b] of T frames and B bands are features in dB, or powers (`scale`). All functions take several windows
[float32, ``[windows, frames, bands]``] and compute each on its own: a window's statistics are the same, bit for bit,
whatever other windows there are.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray
from asdkit_statistics.config import Statistic

Array = npt.NDArray[np.floating]

_FINE_BANDS = 9  # of the running mean that `fine` subtracts
_COARSE_BANDS = 16
_MODULATION_BANDS = 12
# Modulation frequencies in cycles a frame: 0.7 Hz at 512 samples a frame and 16 kHz, to just under half the frame rate.
_MODULATION_RANGE = (0.7 * 512 / 16000, 0.495)
_LEAST_POWER = 1e-20  # -200 dB
_LEAST_MODULATION = 1e-9  # added to the power of log envelopes, so that a steady sound has a finite level


def width(statistic: Statistic, bands: int) -> int:
    """How many numbers a statistic of frames of `bands` bands has."""
    return _MODULATION_BANDS * min(_COARSE_BANDS, bands) if statistic == "modulation" else bands


def compute(frames: FloatArray, statistic: Statistic, scale: str, rank_decay: float) -> Array:
    """One statistic of each window [float, ``[windows, width(statistic, bands)]``]."""
    bands = frames.shape[2]
    slices = band_blocks(statistic, bands, bands)
    blocks = [(part, compute_block(frames[:, :, part], statistic, scale, rank_decay)) for part in slices]
    return finish(blocks, statistic, bands)


def band_blocks(statistic: Statistic, bands: int, at_once: int) -> list[slice]:
    """Ranges of bands that `compute_block` takes: a coarse band for `modulation`, else at most `at_once` bands.

    No range is a single band where there are more, because NumPy sums a single one in another order.
    """
    if statistic == "modulation":
        first = np.arange(min(_COARSE_BANDS, bands) + 1) * bands // min(_COARSE_BANDS, bands)
        return [slice(int(low), int(high)) for low, high in pairwise(first)]
    starts = range(0, bands, at_once)
    return [slice(max(0, min(start, bands - 2)), min(start + at_once, bands)) for start in starts]


def compute_block(frames: FloatArray, statistic: Statistic, scale: str, rank_decay: float) -> Array:
    """What `finish` takes, of some bands [float32, ``[windows, frames, bands]``]."""
    if statistic == "mean":
        return _mean(frames)
    if statistic == "power":
        return _decibel_power(frames) if scale == "db" else _mean(frames)
    if statistic == "deviation":
        return np.asarray(frames.std(axis=1, dtype=np.float64))
    if statistic in ("change", "median-change"):
        return _change(frames, statistic == "median-change")
    if statistic == "ranked":
        return _ranked(frames, rank_decay)
    decibels = frames if scale == "db" else 10 * np.log10(np.maximum(frames, _LEAST_POWER))
    if statistic == "modulation":
        return np.array([_modulation(window) for window in decibels])  # a transform of many would depend on how many
    return _decibel_power(decibels)


def finish(blocks: list[tuple[slice, Array]], statistic: Statistic, bands: int) -> Array:
    """Join the blocks of a statistic; `shape` and `fine` are differences between bands of the joined power."""
    if statistic == "modulation":
        return np.concatenate([block for _, block in blocks], axis=1)
    joined = np.empty((len(blocks[0][1]), bands))
    for part, block in blocks:
        joined[:, part] = block
    if statistic == "shape":
        joined -= joined.mean(axis=1, keepdims=True)
    elif statistic == "fine":
        joined -= _running_mean(joined)
    return joined


def _mean(frames: FloatArray) -> Array:
    return np.asarray(frames.mean(axis=1, dtype=np.float64))


def _decibel_power(frames: Array) -> Array:
    """Mean power of frames in dB: ``10 log10(mean_t 10**(x[t, b] / 10))``."""
    loudest = frames.max(axis=1)
    powers = np.power(10, (frames - loudest[:, None]) / 10)
    return np.asarray(loudest + 10 * np.log10(powers.mean(axis=1, dtype=np.float64)))


def _change(frames: FloatArray, median: bool) -> Array:
    """Of the steps ``x[t + 1, b] - x[t, b]``: their standard deviation, or the median of their sizes."""
    steps = np.diff(frames, axis=1)
    if not steps.shape[1]:
        return np.zeros(frames.shape[::2])
    return np.asarray(np.median(np.abs(steps), axis=1) if median else steps.std(axis=1, dtype=np.float64))


def _ranked(frames: FloatArray, decay: float) -> Array:
    """Global weighted rank pooling (Kolesnikov and Lampert 2016): ``sum_n r**n s[n, b] / sum_n r**n``.

    s[n, b] are the frames of band b sorted downwards. r = 1 gives their mean, r = 0 their maximum.
    """
    weights = decay ** np.arange(frames.shape[1], dtype=np.float64)
    downwards = np.sort(frames, axis=1)[:, ::-1]
    return np.asarray((weights[:, None] * downwards).sum(axis=1) / weights.sum())


def _running_mean(power: Array) -> Array:
    """Mean over `_FINE_BANDS` neighbouring bands; the first and last band are repeated beyond the ends."""
    padded = np.pad(power, ((0, 0), (_FINE_BANDS // 2, _FINE_BANDS // 2)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, _FINE_BANDS, axis=1).mean(axis=2))


def _modulation(frames: Array) -> Array:
    """Power of the envelope of a coarse band in modulation bands [float64, ``[modulation bands]``].

    The envelope of a coarse band c is the logarithm of its mean power in each frame, less its mean over frames::

        e[t] = ln(mean_(b in c) 10**(x[t, b] / 10)),   E[k] = sum_t w[t] (e[t] - mean_t e) exp(-2 pi i k t / T)
        10 log10(mean_(k in m) |E[k]|**2 / sum_t w[t]**2 + 1e-9)

    with a Hann window w and log-spaced modulation bands m, in cycles a frame. A band without a bin has the nearest one.
    """
    power = np.power(10.0, frames.astype(np.float64) / 10).mean(axis=1)
    envelope = np.log(np.maximum(power, _LEAST_POWER))
    window = np.hanning(len(frames) + 2)[1:-1]
    spectrum = np.fft.rfft((envelope - envelope.mean()) * window)
    density = (spectrum.real**2 + spectrum.imag**2) / (window**2).sum()
    bins = np.fft.rfftfreq(len(frames))
    levels = np.empty(_MODULATION_BANDS)
    for band, (low, high) in enumerate(pairwise(np.geomspace(*_MODULATION_RANGE, _MODULATION_BANDS + 1))):
        inside = slice(*np.searchsorted(bins, (low, high)))
        nearest = np.abs(bins - np.sqrt(low * high)).argmin()
        levels[band] = density[inside].mean() if inside.start < inside.stop else density[nearest]
    return np.asarray(10 * np.log10(levels + _LEAST_MODULATION))
