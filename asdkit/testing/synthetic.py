"""A small synthetic machine: frames of its clips, a planted fault, and waves; generated in milliseconds.

Each id has its own spectrum: noise of a common shape, and tones in some bands. In the planted fault the tones of the
next id come and go, louder than there, and the clip's own tones are weaker: no normal clip sounds like that. On the
machine's *twin* the tones of both other ids come and go in normal clips, so that the planted fault is normal there.
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
"""Value of a silent clip's frames [dB]: 10 log10 of the least power."""

_TONE = 15.0  # dB, of an id's own tones
_FAULT = 24.0  # dB, of the next id's tones in a fault
_WEAKER = 8.0  # dB, by which the own tones are weaker then
_TONE_SHARE = 0.6  # share of the frames with those tones
_NOISE = 1.5  # dB, from frame to frame
_GAIN = 1.0  # dB, from clip to clip


@dataclass(frozen=True)
class Clips:
    """Clips of the machine.

    Attributes
    ----------
    frames
        Frames of each clip [float32, ``[rows, bands]``], dB.
    ids
        Id of each clip.
    faulty
        Whether each clip has the planted fault.
    """

    frames: tuple[FloatArray, ...]
    ids: tuple[str, ...]
    faulty: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, order: Sequence[int]) -> Clips:
        """Return the clips of these indices, in this order."""
        return Clips(
            tuple(self.frames[i] for i in order),
            tuple(self.ids[i] for i in order),
            tuple(self.faulty[i] for i in order),
        )

    def of_id(self, id_: str) -> Clips:
        """Return the clips of one id."""
        return self.take([i for i, name in enumerate(self.ids) if name == id_])

    def renamed(self, id_: str) -> Clips:
        """Return the same clips, all with another id."""
        return Clips(self.frames, (id_,) * len(self), self.faulty)

    def features(self) -> Features:
        """Pack copies of all frames."""
        offsets = np.concatenate([[0], np.cumsum([len(f) for f in self.frames])]).astype(np.int64)
        return Features(np.concatenate(self.frames).astype(np.float32), offsets)


def training_clips(rows: int, *, twin: bool = False, each: int = 6) -> Clips:
    """Generate normal clips of `rows` frames, `each` of every id; of the machine or of its twin."""
    rng = np.random.default_rng([1, twin])
    ids = [id_ for id_ in IDS for _ in range(each)]
    frames = tuple(_clip(rng, IDS.index(id_), rows, others=2 if twin else 0) for id_ in ids)
    return Clips(frames, tuple(ids), (False,) * len(ids))


def clips_to_score(rows: int, *, each: int = 4) -> Clips:
    """Generate test clips: `each` normal and `each` faulty ones of every id."""
    rng = np.random.default_rng(2)
    plan = [(id_, faulty) for id_ in IDS for faulty in (False, True) for _ in range(each)]
    frames = tuple(_clip(rng, IDS.index(id_), rows, others=int(faulty)) for id_, faulty in plan)
    return Clips(frames, tuple(id_ for id_, _ in plan), tuple(faulty for _, faulty in plan))


def silent_clip(rows: int, id_: str) -> Clips:
    """Return one silent clip."""
    return Clips((np.full((rows, BANDS), SILENCE, np.float32),), (id_,), (False,))


def concatenated(*groups: Clips) -> Clips:
    """Concatenate groups of clips."""
    return Clips(
        tuple(frames for clips in groups for frames in clips.frames),
        tuple(id_ for clips in groups for id_ in clips.ids),
        tuple(faulty for clips in groups for faulty in clips.faulty),
    )


def wave(seconds: float, kind: Literal["float32", "int16"] = "float32", *, seed: int = 3) -> np.ndarray:
    """Generate noise and a tone [``[samples]``]; the same sound in either dtype."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = rng.normal(0, 0.05, len(time)) + 0.2 * np.sin(2 * np.pi * 440 * time)
    rounded = np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)
    return rounded if kind == "int16" else (rounded / np.float32(32768)).astype(np.float32)


def _clip(rng: np.random.Generator, index: int, rows: int, *, others: int) -> FloatArray:
    """Generate a clip of the id of that index, with intermittent tones of the next `others` ids."""
    bands = np.arange(BANDS)
    level = -60 + 15 * np.cos(np.pi * bands / BANDS) + rng.uniform(-_GAIN, _GAIN)
    frames = level + rng.normal(0, _NOISE, (rows, BANDS))
    frames[:, _tone_bands(index)] += _TONE
    for step in range(1, others + 1):
        present = rng.random((rows, 1)) < _TONE_SHARE
        frames[:, _tone_bands((index + step) % len(IDS))] += _FAULT * present
        if step == 1:
            frames[:, _tone_bands(index)] -= _WEAKER * present
    return frames.astype(np.float32)


def _tone_bands(index: int) -> slice:
    first = 4 + index * 9
    return slice(first, first + 4)
