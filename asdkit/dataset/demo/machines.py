"""The machines. Each unit (id) has a build of its own; each recording its own speed, load and start.

A machine's ``record`` gives its healthy sound, of about power 1, and what a fault adds to it, of power 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from asdkit.dataset.demo import faults
from asdkit.dataset.demo.sound import (
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
    """One unit of some machine type; made with randomness of its own, which says how this unit is built."""

    faults: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __init__(self, rng: np.random.Generator) -> None: ...

    @abstractmethod
    def record(self, take: Take, fault: str | None) -> tuple[Signal, Signal | None]:
        """Sound of the healthy unit, and what `fault` adds to it."""


class Fan(Machine):
    """A fan: shaft orders, strong at the blades', and the noise of the air, which swells with each blade."""

    faults = ("bearing", "looseness")

    def __init__(self, rng: np.random.Generator) -> None:
        self.speed = rng.uniform(21, 32)
        self.blades = int(rng.integers(4, 8))
        orders = np.arange(1, 61)
        self.orders = rng.lognormal(0, 0.5, 60) / orders**0.9 * np.where(orders % self.blades == 0, 5.0, 1.0)
        self.air = rng.uniform(350, 1100)
        self.housing = rng.uniform(2200, 4200)

    def record(self, take: Take, fault: str | None) -> tuple[Signal, Signal | None]:
        """Turn at some speed and load."""
        load = take.rng.uniform(0.5, 1.0)
        angle = turns(take, self.speed * take.rng.normal(1.0, 0.03) * wander(take, 0.003))
        swell = 1 + 0.4 * unit(tones(take, angle * self.blades, np.array([1.0, 0.4])))
        air = unit(noise(take, band(take, self.air * load**0.3, 1.3)) * swell)
        sound = unit(tones(take, angle, self.orders)) + 1.2 * load * air
        if fault == "bearing":
            return sound, faults.bearing(take, angle, self.housing)
        return sound, faults.looseness(take, angle, self.housing / 3) if fault == "looseness" else None


class Pump(Machine):
    """A pump: motor and vane orders, and a stream that pulses with the vanes."""

    faults = ("leakage", "bearing")

    def __init__(self, rng: np.random.Generator) -> None:
        self.speed = rng.uniform(44, 50)
        self.vanes = int(rng.integers(5, 9))
        orders = np.arange(1, 41)
        self.orders = rng.lognormal(0, 0.6, 40) / orders**0.7 * np.where(orders % self.vanes == 0, 4.0, 1.0)
        self.stream = rng.uniform(600, 2000)
        self.housing = rng.uniform(2500, 5000)

    def record(self, take: Take, fault: str | None) -> tuple[Signal, Signal | None]:
        """Run at a nearly fixed speed against some pressure."""
        pressure = take.rng.uniform(0.4, 1.0)
        angle = turns(take, self.speed * take.rng.normal(1.0, 0.015) * wander(take, 0.002))
        pulse = 1 + 0.5 * pressure * unit(tones(take, angle * self.vanes, np.array([1.0, 0.5])))
        stream = unit(noise(take, band(take, self.stream, 0.9)) * pulse * wander(take, 0.15))
        sound = unit(tones(take, angle, self.orders)) * (0.6 + 0.4 * pressure) + 1.3 * pressure * stream
        if fault == "bearing":
            return sound, faults.bearing(take, angle, self.housing)
        gush = np.clip(wander(take, 0.5, every=0.15), 0, None)
        return sound, faults.leakage(take, 1.7 * self.stream, gush) if fault == "leakage" else None


class Slider(Machine):
    """A slider on a belt: it runs to and fro, the drive whines with its speed, and it thumps where it turns."""

    faults = ("slipping belt", "bearing")

    def __init__(self, rng: np.random.Generator) -> None:
        self.stroke = rng.uniform(0.55, 0.95)
        self.pitch = rng.uniform(250, 520)
        self.orders = rng.lognormal(0, 0.6, 12) / np.arange(1, 13) ** 0.8
        self.friction = rng.uniform(1200, 3200)
        self.stop = rng.uniform(140, 380)
        self.rail = rng.uniform(2500, 5000)

    def record(self, take: Take, fault: str | None) -> tuple[Signal, Signal | None]:
        """Run to and fro, with some weight on the slider."""
        weight = take.rng.uniform(0.5, 1.0)
        strokes = turns(take, wander(take, 0.02) / (self.stroke * take.rng.normal(1.0, 0.04)))
        phase = strokes % 1.0
        speed = np.clip(np.minimum(phase, 1 - phase) / 0.15, 0, 1)  # up a ramp, along, and down again
        angle = np.cumsum(self.pitch * speed * take.rng.normal(1.0, 0.02)) / take.rate
        whine = unit(tones(take, angle, self.orders) * speed)
        friction = unit(noise(take, band(take, self.friction, 0.8)) * speed)
        ends = passings(strokes, 1.0)
        thump = unit(ringing(take, strikes_at(take, ends, take.rng.lognormal(0, 0.2, len(ends))), self.stop, 0.02))
        sound = unit(whine + weight * friction + 0.8 * weight * thump)
        if fault == "slipping belt":
            stroke = (strokes - strokes[0] // 1).astype(np.int64)
            slips = take.rng.uniform(size=stroke[-1] + 1) < 0.7  # not every time
            return sound, faults.squeal(
                take, np.clip(1 - np.abs(phase - 0.12) / 0.1, 0, 1) * slips[stroke], self.rail / 2
            )
        return sound, faults.bearing(take, angle / 20, self.rail) if fault == "bearing" else None


class Valve(Machine):
    """A solenoid valve: clicks as it opens and shuts in time, and lets gas through in between."""

    faults = ("leakage", "sticking")

    def __init__(self, rng: np.random.Generator) -> None:
        self.period = rng.uniform(0.45, 0.75)
        self.open = rng.uniform(0.25, 0.45)
        self.opening = rng.uniform(1000, 2600)
        self.shutting = rng.uniform(700, 1800)
        self.gas = rng.uniform(2200, 4500)

    def record(self, take: Take, fault: str | None) -> tuple[Signal, Signal | None]:
        """Open and shut under some pressure."""
        pressure = take.rng.uniform(0.5, 1.0)
        cycle = turns(take, wander(take, 0.01) / (self.period * take.rng.normal(1.0, 0.03)))
        is_open = (cycle % 1.0) < self.open
        opens, shuts = passings(cycle, 1.0), passings(cycle - self.open, 1.0)
        sound = (
            self._click(take, opens, self.opening)
            + 0.8 * self._click(take, shuts, self.shutting)
            + 0.5 * pressure * unit(noise(take, band(take, self.gas, 0.5)) * is_open)
        )
        if fault == "sticking":
            late = opens + take.rng.uniform(0.02, 0.06, len(opens)) * take.rate
            return sound, self._click(take, late, 0.8 * self.opening)
        return sound, faults.leakage(take, self.gas, 1.0 - is_open) if fault == "leakage" else None

    @staticmethod
    def _click(take: Take, where: npt.ArrayLike, frequency: float) -> Signal:
        strikes = strikes_at(take, where, take.rng.lognormal(0, 0.15, np.size(where)))
        return unit(ringing(take, strikes, frequency, 0.004) + ringing(take, strikes, 2.6 * frequency, 0.002))


MACHINES: dict[str, type[Machine]] = {"fan": Fan, "pump": Pump, "slider": Slider, "valve": Valve}
