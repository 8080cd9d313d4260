"""What differs from every healthy clip, in plain words: what was measured, where and when; never a diagnosis.

For each kind of difference one number says how far a clip exceeds all healthy clips. Its limit follows from these
clips alone: each is compared with the others as if it were new. The limit is the highest number so found, plus half of
the distance from their median to it, plus a step that is longer the fewer clips there are.
`docs/score.md` defines the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from asdkit.explain.sound import (
    HIGHEST_RATE,
    LOWEST_RATE,
    SLACK,
    DoubleArray,
    Sound,
    event,
    modulation_rate,
    smoothed,
    vertex,
    widened,
)

LEAST_CLIPS = 5
"""Healthy clips below which nothing is said: their spread is unknown."""

_LOWEST = 40.0  # Hz, of a line
_POINTS_PER_OCTAVE = 12
_WIDTH = 5  # points that all must rise or fall
_LONGEST_BURST = 1.5  # s
_SPREAD = 0.5  # share of the distance from the median to the highest difference, in a limit
_FEW = 16  # clips, from which fewer healthy clips make the step to a limit more than twice as long


@dataclass(frozen=True)
class Finding:
    """A difference from all healthy clips.

    Attributes
    ----------
    kind
        ``"new line"``, ``"missing line"``, ``"rise"``, ``"fall"``, ``"impacts"``, ``"louder"``, ``"quieter"``,
        ``"burst"``, ``"dropout"``, ``"clipping"``, ``"modulation"``.
    sentence
        What was measured, where and when.
    amount
        Decibels beyond every healthy clip; of `clipping` and `modulation`, a share.
    begin, end
        When [s].
    low, high
        Frequency or band [Hz]; rate of impacts and modulation; None where there is none.
    """

    kind: str
    sentence: str
    amount: float
    begin: float
    end: float
    low: float | None = None
    high: float | None = None


class HealthySound:
    """Finds what differs from healthy clips.

    Parameters
    ----------
    sounds
        Of healthy clips, all at one sample rate; at least `LEAST_CLIPS`.
    """

    def __init__(self, sounds: Sequence[Sound]) -> None:
        if len(sounds) < LEAST_CLIPS:
            raise ValueError(f"{len(sounds)} healthy clips; expected at least {LEAST_CLIPS}")
        frequencies = sounds[0].frequencies
        count = int(_POINTS_PER_OCTAVE * np.log2(frequencies[-2] / _LOWEST)) + 1
        points = _LOWEST * 2 ** (np.arange(count) / _POINTS_PER_OCTAVE)
        self._bins = np.unique(np.searchsorted(frequencies, points))
        self._above = int(np.searchsorted(frequencies, _LOWEST))
        self._mean_floor = np.mean([sound.floor for sound in sounds], axis=0)
        self._shapes = [self._shape(sound) for sound in sounds]
        every = [self._excess(shape, index) for index, shape in enumerate(self._shapes)]
        self._limits = {kind: _limit(kind, [one[kind] for one in every]) for kind in STEPS}

    def find(self, sound: Sound) -> list[Finding]:
        """Return the differences of a clip from all healthy clips, the most telling first."""
        shape = self._shape(sound)
        excess = self._excess(shape)
        clear = {kind for kind in STEPS if excess[kind] > self._limits[kind]}
        found: list[Finding] = []
        for kind in _explained_by_others_removed(clear):
            found += _DESCRIBED[kind](self, shape, excess[kind])
        return found

    def _shape(self, sound: Sound) -> _Shape:
        difference = sound.floor - self._mean_floor
        gain = float(np.median(difference[self._bins]))
        wide_blocks = widened(sound.block_lines)
        return _Shape(
            sound=sound,
            gain=gain,
            difference=difference - gain,
            widened=widened(sound.lines),
            highest=wide_blocks.max(axis=0),
            lowest=wide_blocks.min(axis=0),
            envelope=smoothed(sound.envelope),
            modulation=np.interp(_RATES, sound.rates, sound.steady),
        )

    def _excess(self, own: _Shape, without: int | None = None) -> dict[str, float]:
        """Return by kind how far a clip is beyond all healthy clips, of which one may be left out."""
        others = [shape for index, shape in enumerate(self._shapes) if index != without]
        own_rates = max(LOWEST_RATE, 2 / own.sound.seconds) <= _RATES
        first = self._above
        return {
            "new line": float((own.sound.lines - _most(others, "widened"))[first:].max()),
            "short line": float((own.sound.block_lines - _most(others, "highest"))[:, first:].max()),
            "missing line": float((_least(others, "widened") - own.widened)[first:].max()),
            "rise": _widest(own.difference[self._bins] - _most(others, "difference")[self._bins]),
            "fall": _widest(_least(others, "difference")[self._bins] - own.difference[self._bins]),
            "louder": own.gain - max(shape.gain for shape in others),
            "quieter": min(shape.gain for shape in others) - own.gain,
            "burst": float(own.envelope.max() - max(shape.envelope.max() for shape in others)),
            "dropout": float(min(shape.envelope.min() for shape in others) - own.envelope.min()),
            "modulation": float((own.modulation - widened(_most(others, "modulation"), 4))[own_rates].max()),
            "clipping": own.sound.plateau - max(shape.sound.plateau for shape in others),
        }

    # how each kind is described

    def _line(self, own: _Shape, excess: float) -> list[Finding]:
        above = own.sound.lines - _most(self._shapes, "widened")
        bin_ = self._above + int(above[self._above :].argmax())
        return [self._describe_line(own, bin_, excess)]

    def _short_line(self, own: _Shape, excess: float) -> list[Finding]:
        above = (own.sound.block_lines - _most(self._shapes, "highest"))[:, self._above :]
        bin_ = self._above + int(np.unravel_index(above.argmax(), above.shape)[1])
        return [self._describe_line(own, bin_, excess)]

    def _describe_line(self, own: _Shape, bin_: int, excess: float) -> Finding:
        sound = own.sound
        near = slice(max(0, bin_ - SLACK), bin_ + SLACK + 1)
        over_time = sound.block_lines[:, near].max(axis=1)
        usual = _most(self._shapes, "widened")[bin_]
        begin, end = _span(over_time - usual, sound.block_seconds, sound.seconds)
        peak = bin_ + vertex(sound.block_lines[over_time.argmax()], bin_)
        frequency = float(np.interp(peak, np.arange(len(sound.frequencies)), sound.frequencies))
        when = _when(begin, end, sound.seconds)
        text = f"a tone at {_hertz(frequency)}, {excess:.0f} dB above anything healthy, {when}"
        return Finding("new line", text, excess, begin, end, frequency, frequency)

    def _missing_line(self, own: _Shape, excess: float) -> list[Finding]:
        sound = own.sound
        missing = _least(self._shapes, "widened") - own.widened
        bin_ = self._above + int(missing[self._above :].argmax())
        near = slice(max(0, bin_ - 2 * SLACK), bin_ + 2 * SLACK + 1)
        healthy = np.mean([shape.sound.lines for shape in self._shapes], axis=0)
        bin_ = near.start + int(healthy[near].argmax())
        over_time = healthy[bin_] - sound.block_lines[:, near].max(axis=1)
        begin, end = _span(over_time, sound.block_seconds, sound.seconds)
        frequency = float(np.interp(bin_ + vertex(healthy, bin_), np.arange(len(healthy)), sound.frequencies))
        when = _when(begin, end, sound.seconds)
        text = f"the tone at {_hertz(frequency)} is missing: {excess:.0f} dB below every healthy clip, {when}"
        return [Finding("missing line", text, excess, begin, end, frequency, frequency)]

    def _rise(self, own: _Shape, excess: float) -> list[Finding]:
        return self._band(own, excess, 1)

    def _fall(self, own: _Shape, excess: float) -> list[Finding]:
        return self._band(own, excess, -1)

    def _band(self, own: _Shape, excess: float, sign: int) -> list[Finding]:
        sound = own.sound
        bound = _most(self._shapes, "difference") if sign > 0 else _least(self._shapes, "difference")
        beyond = sign * (own.difference - bound)
        runs = np.lib.stride_tricks.sliding_window_view(beyond[self._bins], _WIDTH).min(axis=1)
        middle = int(self._bins[runs.argmax() + _WIDTH // 2])
        level = sign * own.difference
        half = float(np.median(level[self._bins[runs.argmax() : runs.argmax() + _WIDTH]])) / 2
        inside = level > half
        low, high = middle, middle
        while low > 0 and inside[low - 1]:
            low -= 1
        while high < len(inside) - 1 and inside[high + 1]:
            high += 1
        edges = float(sound.frequencies[low]), float(sound.frequencies[high])
        kind, word = ("rise", "above") if sign > 0 else ("fall", "below")
        top = "up" if high >= len(inside) - 2 else f"to {_hertz(edges[1])}"
        band = f"from {_hertz(edges[0])} {top}"
        text = f"noise {band} is {excess:.0f} dB {word} every healthy clip, all the time"
        return [Finding(kind, text, excess, 0.0, sound.seconds, *edges)]

    def _louder(self, own: _Shape, excess: float) -> list[Finding]:
        text = f"louder as a whole: {excess:.0f} dB above the loudest healthy clip"
        return [Finding("louder", text, excess, 0.0, own.sound.seconds)]

    def _quieter(self, own: _Shape, excess: float) -> list[Finding]:
        text = f"quieter as a whole: {excess:.0f} dB below the quietest healthy clip"
        return [Finding("quieter", text, excess, 0.0, own.sound.seconds)]

    def _burst(self, own: _Shape, excess: float) -> list[Finding]:
        begin, end = (index * own.sound.step for index in event(own.envelope))
        text = f"a burst at {(begin + end) / 2:.1f} s, {end - begin:.2g} s long, {excess:.0f} dB above anything healthy"
        return [Finding("burst", text, excess, begin, end)]

    def _dropout(self, own: _Shape, excess: float) -> list[Finding]:
        begin, end = (index * own.sound.step for index in event(-own.envelope))
        text = f"a dropout at {(begin + end) / 2:.1f} s, {end - begin:.2g} s long, {excess:.0f} dB below any healthy"
        return [Finding("dropout", text, excess, begin, end)]

    def _modulation(self, own: _Shape, excess: float) -> list[Finding]:
        sound = own.sound
        rate, impacts = modulation_rate(sound)
        if impacts:
            text = f"impacts {rate:.2g} times a second, all the time"
            return [Finding("impacts", text, excess, 0.0, sound.seconds, rate, rate)]
        depth = float(np.interp(rate, sound.rates, sound.modulation))
        text = f"the level rises and falls {rate:.2g} times a second, by {100 * min(depth, 1):.0f} %, all the time"
        return [Finding("modulation", text, excess, 0.0, sound.seconds, rate, rate)]

    def _clipping(self, own: _Shape, excess: float) -> list[Finding]:
        text = f"clipped: {100 * own.sound.plateau:.2g} % of the samples are at the largest value"
        return [Finding("clipping", text, excess, 0.0, own.sound.seconds)]


STEPS = {
    "clipping": 5e-4,
    "modulation": 0.08,
    "dropout": 5.0,
    "burst": 4.0,
    "new line": 4.0,
    "short line": 6.0,
    "rise": 2.5,
    "fall": 2.5,
    "missing line": 4.0,
    "louder": 3.0,
    "quieter": 3.0,
}
"""By kind: step from many healthy clips to a limit, in decibels or as a share. The order is that of the findings."""

_DESCRIBED: dict[str, Callable[[HealthySound, _Shape, float], list[Finding]]] = {
    "clipping": HealthySound._clipping,
    "modulation": HealthySound._modulation,
    "dropout": HealthySound._dropout,
    "burst": HealthySound._burst,
    "new line": HealthySound._line,
    "short line": HealthySound._short_line,
    "missing line": HealthySound._missing_line,
    "rise": HealthySound._rise,
    "fall": HealthySound._fall,
    "louder": HealthySound._louder,
    "quieter": HealthySound._quieter,
}
_SAME_CAUSE: dict[str, tuple[str, ...]] = {
    "clipping": ("new line", "short line", "missing line", "rise", "fall", "louder", "quieter", "modulation", "burst"),
    "modulation": ("dropout", "burst", "short line", "missing line", "rise", "fall", "louder", "quieter"),
    "dropout": ("burst", "short line", "missing line", "rise", "fall", "quieter"),
    "burst": ("short line", "missing line", "rise", "fall", "louder"),
    "new line": ("short line", "rise", "fall"),
    "short line": ("rise", "fall"),
    "missing line": ("fall",),
    "rise": ("fall", "louder", "quieter", "missing line"),
    "fall": ("rise", "quieter"),
}
"""By kind: what the same cause may change, too."""

_LEVELS = ("louder", "quieter")  # one number a clip: its spread over the clips is no doubt about the highest one
_RATES = np.arange(0.5, 4 * HIGHEST_RATE, 0.05)


@dataclass(frozen=True)
class _Shape:
    """A sound without its gain, as it is compared.

    `difference` is the floor less the mean floor of the healthy clips and less `gain`; `widened`, `highest`, `lowest`
    are lines of the whole and the extremes over its blocks, each the maximum of neighbouring bins.
    """

    sound: Sound
    gain: float
    difference: DoubleArray
    widened: DoubleArray
    highest: DoubleArray
    lowest: DoubleArray
    envelope: DoubleArray
    modulation: DoubleArray


def _most(shapes: Sequence[_Shape], name: str) -> DoubleArray:
    return np.asarray(np.max([getattr(shape, name) for shape in shapes], axis=0))


def _least(shapes: Sequence[_Shape], name: str) -> DoubleArray:
    return np.asarray(np.min([getattr(shape, name) for shape in shapes], axis=0))


def _limit(kind: str, excesses: Sequence[float]) -> float:
    """Return what a difference must exceed, from the differences among healthy clips."""
    highest = max(excesses)
    spread = 0.0 if kind in _LEVELS else _SPREAD * (highest - float(np.median(excesses)))
    return max(0.0, highest + spread) + STEPS[kind] * (1 + _FEW / len(excesses))


def _explained_by_others_removed(clear: set[str]) -> list[str]:
    """Return the kinds in order, without those that another one explains."""
    kept: list[str] = []
    for kind in STEPS:
        if kind in clear and not any(kind in _SAME_CAUSE.get(other, ()) for other in kept):
            kept.append(kind)
    return kept


def _widest(beyond: DoubleArray) -> float:
    """Return by how much `_WIDTH` neighbouring points all exceed a bound, at best."""
    return float(np.lib.stride_tricks.sliding_window_view(beyond, _WIDTH).min(axis=1).max())


def _span(levels: DoubleArray, step: float, seconds: float) -> tuple[float, float]:
    """Return from when to when levels are above half of the highest one, of blocks of `step` seconds."""
    above = np.flatnonzero(levels > levels.max() / 2)
    return float(above[0] * step), float(min(seconds, (above[-1] + 1) * step))


def _hertz(frequency: float) -> str:
    return f"{frequency / 1000:.3g} kHz" if frequency >= 1000 else f"{frequency:.3g} Hz"


def _when(begin: float, end: float, seconds: float) -> str:
    return "all the time" if end - begin > 0.9 * seconds else f"from {begin:.1f} to {end:.1f} s"
