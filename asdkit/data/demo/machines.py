"""Synthetic machines and their faults.

Units (ids) of a type are similar, not equal; each recording has its own speed, load and start. A recording consists of
the normal sound and of what each fault adds to it, all of power 1; the machine room mixes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from asdkit.data.demo.waveforms import (
    Signal,
    Take,
    band,
    noise,
    passings,
    ringing,
    strikes_at,
    tones,
    turns,
    unit,
    wander,
)


class Machine(ABC):
    """One unit of some machine type.

    Parameters
    ----------
    rng
        Random generator for the properties of this unit.
    size
        Nominal speed relative to the largest unit of its type.
    """

    faults: ClassVar[tuple[str, str]]

    @abstractmethod
    def __init__(self, rng: np.random.Generator, size: float) -> None: ...

    @abstractmethod
    def record(self, take: Take, pace: float) -> tuple[Signal, Signal, Signal]:
        """Return the normal sound at `pace` times the usual speed, then what each of the two `faults` adds."""


class Fan(Machine):
    """A fan: shaft orders, strongest at the blade order, and air noise modulated by the blades."""

    faults = ("bearing", "looseness")
    blades = 5

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        orders = np.arange(1, 61)
        self.speed = 48 * size * rng.normal(1, 0.01)
        self.orders = rng.lognormal(0, 0.2, 60) / orders**0.9 * np.where(orders % self.blades == 0, 5.0, 1.0)
        self.air = rng.normal(700, 20)
        self.housing = 3000.0

    def record(self, take: Take, pace: float) -> tuple[Signal, Signal, Signal]:
        """Turn at a random speed against a random load."""
        load = take.rng.uniform(0.5, 1.0)
        angle = turns(take, pace * self.speed * take.rng.normal(1.0, 0.02) * wander(take, 0.003))
        swell = 1 + 0.4 * unit(tones(take, angle * self.blades, np.array([1.0, 0.4])))
        air = unit(noise(take, band(take, self.air * load**0.3, 1.3)) * swell)
        running = unit(tones(take, angle, self.orders)) + 1.2 * load * air
        return unit(running), bearing(take, angle, self.housing), looseness(take, angle, self.housing / 3)


class Pump(Machine):
    """A pump: motor and vane orders, and flow noise that pulses with the vanes."""

    faults = ("leakage", "bearing")
    vanes = 6

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        orders = np.arange(1, 41)
        self.speed = 58 * size * rng.normal(1, 0.01)
        self.orders = rng.lognormal(0, 0.2, 40) / orders**0.7 * np.where(orders % self.vanes == 0, 4.0, 1.0)
        self.stream = rng.normal(1100, 40)
        self.housing = 3800.0

    def record(self, take: Take, pace: float) -> tuple[Signal, Signal, Signal]:
        """Run at a nearly constant speed against a random pressure."""
        pressure = take.rng.uniform(0.4, 1.0)
        angle = turns(take, pace * self.speed * take.rng.normal(1.0, 0.015) * wander(take, 0.002))
        pulse = 1 + 0.5 * pressure * unit(tones(take, angle * self.vanes, np.array([1.0, 0.5])))
        stream = unit(noise(take, band(take, self.stream, 0.9)) * pulse * wander(take, 0.15))
        running = unit(tones(take, angle, self.orders)) * (0.6 + 0.4 * pressure) + 1.3 * pressure * stream
        gush = np.clip(wander(take, 0.5, every=0.15), 0, None)
        return unit(running), leakage(take, 2.2 * self.stream, gush), bearing(take, angle, self.housing)


class Slider(Machine):
    """A slider on a belt: moves back and forth; the drive whines with its speed, and it thumps at each end."""

    faults = ("slipping belt", "bearing")
    drive = 20  # shaft orders of the whine: teeth of the pulley

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        self.stroke = 0.7 / size * rng.normal(1, 0.01)
        self.pitch = 420 * size * rng.normal(1, 0.01)
        self.orders = rng.lognormal(0, 0.2, 12) / np.arange(1, 13) ** 0.8
        self.friction = rng.normal(2000, 60)
        self.stop = rng.normal(240, 8)
        self.rail = 3600.0

    def record(self, take: Take, pace: float) -> tuple[Signal, Signal, Signal]:
        """Move back and forth with a random weight on the slider."""
        weight = take.rng.uniform(0.5, 1.0)
        strokes = turns(take, pace * wander(take, 0.02) / (self.stroke * take.rng.normal(1.0, 0.03)))
        phase, stroke = strokes % 1.0, (strokes - strokes[0] // 1).astype(np.int64)
        speed = np.clip(np.minimum(phase, 1 - phase) / 0.15, 0, 1)  # ramp up, constant speed, ramp down
        angle = np.cumsum(pace * self.pitch / self.drive * speed * take.rng.normal(1.0, 0.02)) / take.rate
        whine = unit(tones(take, angle * self.drive, self.orders) * speed)
        friction = unit(noise(take, band(take, self.friction, 0.8)) * speed)
        ends = passings(strokes, 1.0)
        thump = unit(ringing(take, strikes_at(take, ends, take.rng.lognormal(0, 0.2, len(ends))), self.stop, 0.02))
        slips = np.clip(1 - np.abs(phase - 0.12) / 0.1, 0, 1) * (take.rng.uniform(size=stroke[-1] + 1) < 0.7)[stroke]
        return (
            unit(whine + weight * friction + 0.8 * weight * thump),
            squeal(take, slips, self.rail / 2),
            bearing(take, angle, self.rail),
        )


class Valve(Machine):
    """A solenoid valve: clicks as it opens and closes periodically, and gas noise in between."""

    faults = ("leakage", "sticking")

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        self.period = rng.normal(0.6, 0.02)
        self.open = 0.45 * size * rng.normal(1, 0.01)
        self.opening = rng.normal(1800, 40)
        self.shutting = rng.normal(1100, 30)
        self.gas = 3600 * size * rng.normal(1, 0.01)

    def record(self, take: Take, pace: float) -> tuple[Signal, Signal, Signal]:
        """Open and close under a random pressure."""
        pressure = take.rng.uniform(0.5, 1.0)
        cycle = turns(take, wander(take, 0.01) / (self.period * take.rng.normal(1.0, 0.03)))
        open_for, gas = pace * self.open, pace * self.gas * pressure**0.1
        is_open = (cycle % 1.0) < open_for
        opens, shuts = passings(cycle, 1.0), passings(cycle - open_for, 1.0)
        running = (
            self._click(take, opens, self.opening)
            + 0.8 * self._click(take, shuts, self.shutting)
            + pressure * unit(noise(take, band(take, gas, 0.25)) * is_open)
        )
        late = opens + take.rng.uniform(0.02, 0.06, len(opens)) * take.rate
        return (
            unit(running),
            leakage(take, gas, 1.0 - is_open),
            self._click(take, late, 0.8 * self.opening),
        )

    @staticmethod
    def _click(take: Take, where: npt.ArrayLike, frequency: float) -> Signal:
        strikes = strikes_at(take, where, take.rng.lognormal(0, 0.15, np.size(where)))
        return unit(ringing(take, strikes, frequency, 0.004) + ringing(take, strikes, 2.6 * frequency, 0.002))


MACHINES: dict[str, type[Machine]] = {"fan": Fan, "pump": Pump, "slider": Slider, "valve": Valve}


OUTER_RACE = 3.585  # ball passes of the outer race per turn, for a common deep-groove bearing (6205, 9 balls)


def bearing(take: Take, angle: Signal, resonance: float) -> Signal:
    """A defect in a bearing's outer race: each passing ball excites the housing, which rings at `resonance` [Hz].

    The balls slip by one or two per cent, so the impulses are not exactly periodic. Source: Randall and Antoni,
    "Rolling element bearing diagnostics: a tutorial", MSSP 25 (2011).
    """
    where = passings(angle, OUTER_RACE)
    period = take.samples / max(len(where), 1)
    jitter = take.rng.normal(0, 0.015 * period, len(where))
    strengths = take.rng.lognormal(0, 0.25, len(where))
    return unit(ringing(take, strikes_at(take, where + jitter, strengths), resonance, 0.002))


def looseness(take: Take, angle: Signal, resonance: float) -> Signal:
    """A loose mount: half orders of the shaft, and a rattle of uneven impacts once per turn."""
    orders = np.arange(1, 40)
    halves = tones(take, angle / 2, np.where(orders % 2 == 1, 1.0 / orders**0.7, 0.0))
    blows = passings(angle, 1.0)
    strengths = take.rng.exponential(1.0, len(blows))
    return unit(unit(halves) + unit(ringing(take, strikes_at(take, blows, strengths), resonance, 0.006)))


def leakage(take: Take, centre: float, when: Signal) -> Signal:
    """Gas or liquid through a gap: turbulent noise around `centre` [Hz], weighted by `when`."""
    return unit(noise(take, band(take, centre, 0.6)) * when)


def squeal(take: Take, bursts: Signal, pitch: float) -> Signal:
    """A slipping belt: stick-slip at `pitch` [Hz], a rough tone that glides during `bursts`."""
    glide = turns(take, pitch * (1 - 0.15 * bursts) * wander(take, 0.01, every=0.01))
    return unit(tones(take, glide, 1.0 / np.arange(1, 4) ** 1.5) * bursts)
