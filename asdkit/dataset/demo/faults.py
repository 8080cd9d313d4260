"""Faults, each as what it adds to a machine's sound; all of power 1, the machine room sets the level."""

from __future__ import annotations

import numpy as np

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

OUTER_RACE = 3.585  # balls that pass a spot of the outer race in a turn: a common deep-groove bearing (6205, 9 balls)


def bearing(take: Take, angle: Signal, resonance: float) -> Signal:
    """A pit in a bearing's outer race: each ball that passes it strikes the housing, which rings at `resonance` [Hz].

    Randall and Antoni, "Rolling element bearing diagnostics: a tutorial", MSSP 25 (2011): the balls slip by a per cent
    or two, so the impulses are not quite regular.
    """
    where = passings(angle, OUTER_RACE)
    period = take.samples / max(len(where), 1)
    jitter = take.rng.normal(0, 0.015 * period, len(where))
    strengths = take.rng.lognormal(0, 0.25, len(where))
    return unit(ringing(take, strikes_at(take, where + jitter, strengths), resonance, 0.002))


def looseness(take: Take, angle: Signal, resonance: float) -> Signal:
    """A loose mount: half orders of the shaft, and a rattle of uneven blows once a turn."""
    orders = np.arange(1, 40)
    halves = tones(take, angle / 2, np.where(orders % 2 == 1, 1.0 / orders**0.7, 0.0))
    blows = passings(angle, 1.0)
    strengths = take.rng.exponential(1.0, len(blows))
    return unit(unit(halves) + unit(ringing(take, strikes_at(take, blows, strengths), resonance, 0.006)))


def leakage(take: Take, centre: float, when: Signal) -> Signal:
    """Gas or liquid pressed through a gap: turbulent hiss around `centre` [Hz], where `when` says."""
    return unit(noise(take, band(take, centre, 0.6)) * when)


def squeal(take: Take, bursts: Signal, pitch: float) -> Signal:
    """A belt that slips squeals: stick and slip at `pitch` [Hz], a rough tone that glides while `bursts` lasts."""
    glide = turns(take, pitch * (1 - 0.15 * bursts) * wander(take, 0.01, every=0.01))
    return unit(tones(take, glide, 1.0 / np.arange(1, 4) ** 1.5) * bursts)
