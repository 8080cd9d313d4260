"""Measures of a wave that do not depend on a detector: spectrum and spectral lines over time, envelope, peaks.

Powers are in decibels. A *line* is how far a bin of a fine spectrum (8 Hz at 16 kHz) is above the median of its
neighbours; that median is the *floor*. The *envelope* is the level over time, as the median over bands of the level of
each band less its own median, so that every band counts the same and one tone does not move it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.audio import Wave

DoubleArray = npt.NDArray[np.float64]

_LINE_SECONDS = 0.128  # window of the fine spectrum, rounded to a power of two
_BLOCK_SECONDS = 0.5
_NEIGHBOURS = 12  # bins on either side of a line
_ENVELOPE_SECONDS = 0.016
_BANDS = 20
_LOWEST = 100.0  # Hz, of the bands of the envelope
_FLOOR = 1e-12
_SMOOTH = 3  # envelope samples
_EVENT = 0.15  # share of its height, down to which an event is left out
_MAX_RATE = 60.0  # Hz, of a modulation
_PADDING = 4
_PARTS = 3  # of an envelope; a single event is in two of them at most
_PLATEAU = 1e-3  # share of the peak within which samples are at the plateau of a clipped wave
_LEAST_RUN = 3  # samples of a plateau
SLACK = 2  # bins or rates on either side, by which a line or a modulation may move
LOWEST_RATE, HIGHEST_RATE = 0.8, 40.0  # Hz, of impacts and of a modulation
_HARMONICS = 4
_IMPACTS = 0.3  # mean of the second to the fourth harmonic, over the first, from which peaks are impacts


@dataclass(frozen=True)
class Sound:
    """Measures of one wave.

    Attributes
    ----------
    seconds
        Duration.
    frequencies
        Of the bins [float64, ``[bins]``, Hz].
    lines, floor
        Of the whole wave [float64, ``[bins]``, dB].
    block_lines
        Of blocks of half a second [float64, ``[blocks, bins]``, dB].
    envelope
        [float64, ``[times]``, dB] about 0; `step` seconds apart.
    modulation
        Depth of the modulation of the envelope [float64, ``[rates]``], 1 for one that reaches silence, without the
        highest and the lowest event; `rates` in Hz.
    steady
        The lowest modulation of each part of the wave [float64, ``[rates]``]: that of single events is low.
    plateau
        Share of the samples that are in runs at the largest absolute value.
    """

    seconds: float
    frequencies: DoubleArray
    lines: DoubleArray
    floor: DoubleArray
    block_lines: DoubleArray
    block_seconds: float
    envelope: DoubleArray
    step: float
    rates: DoubleArray
    modulation: DoubleArray
    steady: DoubleArray
    plateau: float


def measure(wave: Wave, sample_rate: int) -> Sound | None:
    """Measure a wave; None if it is shorter than two windows of the fine spectrum, or all zeros."""
    samples = wave.astype(np.float64) / (32768.0 if wave.dtype == np.int16 else 1.0)
    window = _power_of_two(_LINE_SECONDS * sample_rate)
    if len(samples) < 3 * window or not samples.any():
        return None
    power = _spectrogram(samples, window, window // 2)
    frames = max(1, round(_BLOCK_SECONDS * sample_rate / (window // 2)))
    edges = np.linspace(0, len(power), max(1, len(power) // frames) + 1).round().astype(int)
    blocks = _decibels(np.add.reduceat(power, edges[:-1], axis=0) / np.diff(edges)[:, None])
    block_floor = _running_median(blocks)
    whole = _decibels(power.mean(axis=0))
    envelope, step = _envelope(samples, sample_rate)
    rates, modulation = _modulation(_without_event(_without_event(envelope, 1), -1), step)
    return Sound(
        seconds=len(samples) / sample_rate,
        frequencies=np.asarray(np.fft.rfftfreq(window, 1 / sample_rate), dtype=np.float64),
        lines=whole - _running_median(whole[None])[0],
        floor=np.asarray(np.median(block_floor, axis=0)),
        block_lines=blocks - block_floor,
        block_seconds=len(samples) / sample_rate / len(blocks),
        envelope=envelope,
        step=step,
        rates=rates,
        modulation=modulation,
        steady=_steady(envelope, step, rates),
        plateau=_plateau(samples),
    )


def _power_of_two(samples: float) -> int:
    return int(2 ** round(np.log2(max(samples, 16))))


def _spectrogram(samples: DoubleArray, window: int, hop: int) -> DoubleArray:
    """Return the power [float64, ``[frames, window / 2 + 1]``] under Hann windows."""
    views = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    shape = np.hanning(window + 1)[:-1]
    power = [np.abs(np.fft.rfft(part * shape, axis=1)) ** 2 for part in np.array_split(views, -(-len(views) // 256))]
    spectrogram: DoubleArray = np.concatenate(power) / np.square(shape).sum()
    return spectrogram


def _decibels(power: DoubleArray) -> DoubleArray:
    decibels: DoubleArray = 10 * np.log10(np.maximum(power, _FLOOR))
    return decibels


def _running_median(levels: DoubleArray) -> DoubleArray:
    """Return the median over the neighbours of each bin of the last axis."""
    padded = np.pad(levels, [(0, 0), (_NEIGHBOURS, _NEIGHBOURS)], mode="reflect")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1, axis=1)
    return np.asarray(np.median(views, axis=2))


def _envelope(samples: DoubleArray, sample_rate: int) -> tuple[DoubleArray, float]:
    window = _power_of_two(_ENVELOPE_SECONDS * sample_rate)
    hop = max(1, window // 4)
    power = _spectrogram(samples, window, hop)
    edges = np.geomspace(min(_LOWEST, sample_rate / 8), sample_rate / 2, _BANDS + 1) / (sample_rate / window)
    first = np.unique(np.clip(edges.round().astype(int), 1, power.shape[1] - 1))
    levels = _decibels(np.add.reduceat(power, first, axis=1) / np.diff([*first, power.shape[1]]))
    return np.asarray(np.median(levels - np.median(levels, axis=0), axis=1)), hop / sample_rate


def smoothed(envelope: DoubleArray) -> DoubleArray:
    """Return the mean of each three neighbours."""
    return np.convolve(np.pad(envelope, _SMOOTH // 2, mode="edge"), np.full(_SMOOTH, 1 / _SMOOTH), "valid")


def event(envelope: DoubleArray, share: float = 0.5) -> tuple[int, int]:
    """Return the first index and the end of the highest part of an envelope, down to a share of its height."""
    top = int(envelope.argmax())
    below = np.flatnonzero(envelope < envelope[top] * share)
    return int(below[below < top].max(initial=-1)) + 1, int(below[below > top].min(initial=len(envelope)))


def _without_event(envelope: DoubleArray, sign: int) -> DoubleArray:
    """Return an envelope without its highest (or lowest) event: a single one is no modulation."""
    first, end = event(sign * smoothed(envelope), _EVENT)
    rest = envelope.copy()
    rest[first:end] = 0.0
    return rest


def _modulation(envelope: DoubleArray, step: float) -> tuple[DoubleArray, DoubleArray]:
    """Return rates [Hz], from two periods in the wave on, and the depth of the modulation at each."""
    amplitude = 10 ** (np.clip(envelope, -60, 60) / 20)
    amplitude = amplitude / amplitude.mean() - 1
    shape = np.hanning(len(amplitude))
    spectrum = np.abs(np.fft.rfft(amplitude * shape, _PADDING * len(amplitude))) * 2 / shape.sum()
    rates = np.asarray(np.fft.rfftfreq(_PADDING * len(amplitude), step), dtype=np.float64)
    used = rates <= 4 * _MAX_RATE
    return rates[used], np.asarray(spectrum[used])


def _steady(envelope: DoubleArray, step: float, rates: DoubleArray) -> DoubleArray:
    """Return the lowest modulation of the parts of an envelope, at the rates of the whole."""
    parts = np.array_split(envelope, _PARTS)
    lowest = np.full(len(rates), np.inf)
    for part in parts:
        own_rates, depth = _modulation(part, step)
        lowest = np.minimum(lowest, np.interp(rates, own_rates, depth))
    return lowest


def _plateau(samples: DoubleArray) -> float:
    peak = np.abs(samples).max()
    at_peak = np.abs(samples) >= peak * (1 - _PLATEAU)
    changes = np.flatnonzero(np.diff(np.concatenate([[0], at_peak.view(np.int8), [0]])))
    runs = changes[1::2] - changes[::2]
    return float(runs[runs >= _LEAST_RUN].sum() / len(samples))


def vertex(values: DoubleArray, index: int) -> float:
    """Return the place of a peak between bins, relative to the highest one."""
    if not 0 < index < len(values) - 1:
        return 0.0
    left, middle, right = values[index - 1 : index + 2]
    curvature = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / curvature, -1, 1)) if curvature < 0 else 0.0


def modulation_rate(sound: Sound) -> tuple[float, bool]:
    """Return the rate of a modulation [Hz], and whether it is one of impacts: its harmonics are as strong."""
    rates, depth = sound.rates, sound.modulation
    usable = (rates >= max(LOWEST_RATE, 2 / sound.seconds)) & (rates <= HIGHEST_RATE)
    strongest = int(np.flatnonzero(usable)[depth[usable].argmax()])
    width = max(1, round(0.5 / sound.seconds / (rates[1] - rates[0])))

    def around(rate: float) -> float:
        index = int(np.searchsorted(rates, rate))
        return float(depth[max(0, index - width) : index + width + 1].max(initial=0.0))

    rate = float(rates[strongest] + vertex(depth, strongest) * (rates[1] - rates[0]))
    for divisor in (4, 3, 2):
        base = rate / divisor
        usual = [around(base * harmonic) for harmonic in range(1, _HARMONICS + 1)]
        if base >= max(LOWEST_RATE, 2 / sound.seconds) and min(usual) > 0.5 * depth[strongest]:
            rate = base
            break
    harmonics = np.mean([around(rate * harmonic) for harmonic in range(2, _HARMONICS + 1)])
    return rate, bool(harmonics > _IMPACTS * around(rate))


def widened(values: DoubleArray, width: int = SLACK) -> DoubleArray:
    """Return the maximum over the neighbours of each value of the last axis."""
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(width, width)], constant_values=-np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1, axis=-1).max(axis=-1))
