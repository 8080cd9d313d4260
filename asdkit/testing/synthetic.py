"""A small synthetic machine: frames of its clips, its planted fault, and waves; made in memory in milliseconds.

Each id has a spectrum of its own: noise of a common shape, and tones in some bands. The planted fault is the tones of
the next id coming and going, louder than there, and drowning its own: no healthy id sounds so. On the machine's twin
the tones of both other ids come and go in health, so that a detector trained there knows no such fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asdkit.features import Features, FloatArray

BANDS = 32
IDS = ("00", "02", "04")
SAMPLE_RATE = 16_000
SILENCE = -100.0
"""What a silent clip's frames hold [dB]: 10 log10 of the power that stands in for none."""

_TONE = 15.0  # dB, of an id's own tones
_FAULT = 24.0  # dB, of the next id's tones in a fault
_DROWNED = 8.0  # dB, by which its own tones are then weaker
_OFTEN = 0.6  # share of the frames in which they are heard
_NOISE = 1.5  # dB, from frame to frame
_GAIN = 1.0  # dB, from clip to clip


@dataclass(frozen=True)
class Clips:
    """Clips of the machine, in memory.

    Attributes
    ----------
    frames
        Of each clip [float32, ``[rows, bands]``], dB.
    ids
        Of each clip.
    faulty
        Whether each has the planted fault.
    """

    frames: tuple[FloatArray, ...]
    ids: tuple[str, ...]
    faulty: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, order: Sequence[int]) -> Clips:
        """Those clips, in that order."""
        return Clips(
            tuple(self.frames[i] for i in order),
            tuple(self.ids[i] for i in order),
            tuple(self.faulty[i] for i in order),
        )

    def of_id(self, id_: str) -> Clips:
        """The clips of one id."""
        return self.take([i for i, name in enumerate(self.ids) if name == id_])

    def features(self) -> Features:
        """All of them packed, in memory that nobody else has."""
        offsets = np.concatenate([[0], np.cumsum([len(f) for f in self.frames])]).astype(np.int64)
        return Features(np.concatenate(self.frames).astype(np.float32), offsets)


def training_clips(rows: int, *, twin: bool = False, each: int = 6) -> Clips:
    """Healthy clips, `each` of every id, of `rows` frames; those of the machine's twin, where asked for."""
    rng = np.random.default_rng([1, twin])
    ids = [id_ for id_ in IDS for _ in range(each)]
    made = tuple(_clip(rng, IDS.index(id_), rows, others=2 if twin else 0) for id_ in ids)
    return Clips(made, tuple(ids), (False,) * len(ids))


def clips_to_score(rows: int, *, each: int = 4) -> Clips:
    """Clips to score: of every id `each` healthy and as many faulty ones."""
    rng = np.random.default_rng(2)
    plan = [(id_, faulty) for id_ in IDS for faulty in (False, True) for _ in range(each)]
    made = tuple(_clip(rng, IDS.index(id_), rows, others=int(faulty)) for id_, faulty in plan)
    return Clips(made, tuple(id_ for id_, _ in plan), tuple(faulty for _, faulty in plan))


def silent_clip(rows: int, id_: str) -> Clips:
    """One clip of silence."""
    return Clips((np.full((rows, BANDS), SILENCE, np.float32),), (id_,), (False,))


def joined(*several: Clips) -> Clips:
    """Clips one after the other."""
    return Clips(
        tuple(f for clips in several for f in clips.frames),
        tuple(i for clips in several for i in clips.ids),
        tuple(f for clips in several for f in clips.faulty),
    )


def _clip(rng: np.random.Generator, place: int, rows: int, *, others: int) -> FloatArray:
    """A clip of one id, with the tones of so many others coming and going."""
    bands = np.arange(BANDS)
    level = -60 + 15 * np.cos(np.pi * bands / BANDS) + rng.uniform(-_GAIN, _GAIN)
    frames = level + rng.normal(0, _NOISE, (rows, BANDS))
    frames[:, _tones(place)] += _TONE
    for step in range(1, others + 1):
        there = rng.random((rows, 1)) < _OFTEN
        frames[:, _tones((place + step) % len(IDS))] += _FAULT * there
        if step == 1:
            frames[:, _tones(place)] -= _DROWNED * there
    return frames.astype(np.float32)


def _tones(place: int) -> slice:
    first = 4 + place * 9
    return slice(first, first + 4)


def wave(seconds: float, kind: Literal["float32", "int16"] = "float32", *, seed: int = 3) -> np.ndarray:
    """Noise and a tone [``[samples]``], as a clip is read."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = rng.normal(0, 0.05, len(time)) + 0.2 * np.sin(2 * np.pi * 440 * time)
    rounded = np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)  # the same sound in either kind
    return rounded if kind == "int16" else (rounded / np.float32(32768)).astype(np.float32)
