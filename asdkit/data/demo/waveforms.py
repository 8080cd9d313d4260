"""Components of machine sounds: shafts, tones, coloured noise, and resonances excited by impacts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.floating[Any]]

TABLE = 8192  # steps of one turn, a power of two; without interpolation the error is -53 dB at the tenth order


@dataclass(frozen=True)
class Take:
    """One recording while it is synthesised.

    Attributes
    ----------
    rng
        Generator of all its randomness.
    samples
        Length in samples.
    rate
        Samples a second [Hz].
    """

    rng: np.random.Generator
    samples: int
    rate: int

    @cached_property
    def seconds(self) -> Signal:
        """Time of each sample [s]."""
        return np.arange(self.samples) / self.rate

    @cached_property
    def bins(self) -> Signal:
        """Frequencies of the recording's spectrum [Hz]."""
        return np.fft.rfftfreq(self.samples, 1 / self.rate)


def wander(take: Take, depth: float, every: float = 0.3) -> Signal:
    """Slow random change around 1: Gaussian knots of deviation `depth` every `every` seconds, linearly interpolated."""
    knots = np.arange(0, take.samples / take.rate + 2 * every, every)
    return np.interp(take.seconds, knots, 1 + depth * take.rng.standard_normal(len(knots)))


def turns(take: Take, speed: float | Signal) -> Signal:
    """Angle of a shaft [turns] with a random start that turns at `speed` [Hz]."""
    steps = np.broadcast_to(speed, take.samples) / take.rate
    angle: Signal = take.rng.uniform() + np.cumsum(steps)
    return angle


def tones(take: Take, angle: Signal, amplitudes: Signal) -> Signal:
    """Harmonics of a shaft: ``amplitudes[k]`` at order ``k + 1``, with random phases.

    One turn is a table that is read at each sample's angle, so the cost does not depend on the number of harmonics.
    """
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[1 : len(amplitudes) + 1] = amplitudes * np.exp(2j * np.pi * take.rng.uniform(size=len(amplitudes)))
    table: Signal = np.fft.irfft(spectrum) * (TABLE / 2)
    sound: Signal = table[(angle * TABLE).astype(np.int32) & (TABLE - 1)]
    return sound


def noise(take: Take, colour: Signal) -> Signal:
    """Gaussian noise of power 1 with amplitude spectrum `colour` [``len(take.bins)``]."""
    from scipy.fft import irfft

    parts = take.rng.standard_normal((len(colour), 2), dtype=np.float32) * colour[:, None].astype(np.float32)
    return unit(irfft(parts.view(np.complex64)[:, 0], take.samples))


def band(take: Take, centre: float, octaves: float) -> Signal:
    """Amplitude spectrum of a band around `centre` [Hz], a Gaussian of deviation `octaves` over log frequency."""
    distance = np.log2(np.maximum(take.bins, 1.0) / centre)
    return np.exp(-0.5 * (distance / octaves) ** 2)


def ringing(take: Take, strikes: Signal, frequency: float, decay: float) -> Signal:
    """Resonance at `frequency` [Hz] that decays within `decay` [s], excited by `strikes` (a two-pole filter)."""
    from scipy.signal import lfilter

    radius, angle = np.exp(-1 / (decay * take.rate)), 2 * np.pi * frequency / take.rate
    rung: Signal = lfilter([radius * np.sin(angle)], [1, -2 * radius * np.cos(angle), radius**2], strikes)
    return rung


def strikes_at(take: Take, where: npt.ArrayLike, strengths: npt.ArrayLike = 1.0) -> Signal:
    """Impulses of given strengths at given times [samples]; those outside the recording are omitted."""
    where = np.asarray(where).astype(np.int64)
    strengths = np.broadcast_to(np.asarray(strengths, dtype=np.float64), where.shape)
    inside = (where >= 0) & (where < take.samples)
    train = np.zeros(take.samples)
    np.add.at(train, where[inside], strengths[inside])
    return train


def passings(angle: Signal, per_turn: float) -> npt.NDArray[np.int64]:
    """Samples at which a shaft passes each of `per_turn` evenly spaced angles."""
    return np.flatnonzero(np.diff(np.floor(angle * per_turn)) > 0) + 1


def unit(signal: Signal) -> Signal:
    """Scale to power 1; silence is unchanged."""
    power = float(np.mean(signal**2))
    return signal / np.sqrt(power) if power > 0 else signal


def decibels(level: float) -> float:
    """Amplitude factor of a level [dB]."""
    return float(10 ** (level / 20))
