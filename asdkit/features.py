"""Packed features of many clips, and windows that are views of them.

All clips of one machine lie in one matrix, one after the other, so a window of 5 frames (640 numbers) or of 64 frames
(64x128) is a run of consecutive rows. Windows are never stacked in advance: a batch is a gather of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit import mapped
from asdkit.config import Scale

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Condition:
    """What is known of the operation of a machine in one clip; never a label.

    Attributes
    ----------
    domain
        ``"source"`` or ``"target"``; None where the data have no domains.
    attributes
        Other names and values, such as ``{"speed": "6"}``.
    """

    domain: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Features:
    """All clips of one machine, packed.

    Attributes
    ----------
    frames
        [float32, ``[rows, bands]``, C-contiguous] Frames of all clips, one after the other; may be a memory map.
    offsets
        [int64, ``[clips + 1]``] Clip ``i`` is ``frames[offsets[i]:offsets[i + 1]]``.
    scale
        ``"db"``, ``"power"`` or ``"linear"``: the scale of the numbers, as the featurizer declares it.
    conditions
        Domain and attributes of each clip, for detectors of API 2; empty where nothing is known of any clip.
    """

    frames: FloatArray
    offsets: IntArray
    scale: Scale = "db"
    conditions: tuple[Condition, ...] = ()

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self.offsets) - 1

    @property
    def bands(self) -> int:
        """Number of bands of a frame."""
        return int(self.frames.shape[1])

    def clip(self, index: int) -> FloatArray:
        """Frames of one clip: a view [float32, ``[rows of the clip, bands]``]."""
        return self.frames[self.offsets[index] : self.offsets[index + 1]]

    def columns(self, index: int, first: int, last: int) -> FloatArray:
        """Bands `first` to `last` (exclusive) of one clip: a copy [float32, ``[rows of the clip, last - first]``].

        Of a memory map, no more than these are in memory: so a detector reads a clip of any length.
        """
        copied = [block[:, first:last].copy() for block in mapped.blocks(self.clip(index))]
        return np.concatenate(copied) if copied else np.empty((0, last - first), np.float32)

    def select(self, first: int, last: int) -> Features:
        """Clips ``first`` to ``last`` (exclusive), as a view."""
        offsets = self.offsets[first : last + 1]
        frames = self.frames[offsets[0] : offsets[-1]]
        return Features(frames, offsets - offsets[0], self.scale, self.conditions[first:last])

    def condition(self, index: int) -> Condition:
        """Domain and attributes of one clip; neither where nothing is known.

        Examples
        --------
        >>> import numpy as np
        >>> from asdkit.api import Condition, Features
        >>> offsets = np.array([0, 1, 2])
        >>> features = Features(np.ones((2, 1), np.float32), offsets, conditions=(Condition("source"), Condition()))
        >>> features.condition(0).domain, features.select(1, 2).condition(0).domain
        ('source', None)
        """
        return self.conditions[index] if self.conditions else Condition()


@dataclass(frozen=True)
class Windows:
    """Runs of consecutive frames that never cross the end of a clip, stored as their first rows.

    Attributes
    ----------
    starts
        [int64, ``[windows]``] First row of each window, in the packed matrix.
    offsets
        [int64, ``[clips + 1]``] Windows of clip ``i`` are ``starts[offsets[i]:offsets[i + 1]]``.
    frames
        Number of frames of a window, or ``"clip"``: one window is one whole clip.
    """

    starts: IntArray
    offsets: IntArray
    frames: int | Literal["clip"]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self.offsets) - 1

    def batches(self, features: Features, size: int) -> Iterator[tuple[slice, FloatArray]]:
        """Stack windows, `size` at a time.

        Yields
        ------
        rows, batch
            Which windows these are, and their frames [float32, ``[batch, frames, bands]``]; the next batch overwrites
            them. Windows that are whole clips come one by one.

        Examples
        --------
        >>> import numpy as np
        >>> from asdkit.api import Features, cut_windows
        >>> features = Features(np.ones((9, 2), np.float32), np.array([0, 4, 9]))
        >>> windows = cut_windows(features.offsets, frames=3)
        >>> [(rows.start, batch.shape) for rows, batch in windows.batches(features, size=4)]
        [(0, (4, 3, 2)), (4, (1, 3, 2))]
        """
        if self.frames == "clip":
            for clip in range(features.clips):
                yield slice(clip, clip + 1), features.clip(clip)[None]
            return
        buffer = np.empty((min(size, len(self)), self.frames, features.bands), np.float32)
        within = np.arange(self.frames)
        for first in range(0, len(self), size):
            rows = self.starts[first : first + size]
            np.take(features.frames, rows[:, None] + within, axis=0, out=buffer[: len(rows)])
            yield slice(first, first + len(rows)), buffer[: len(rows)]

    def clip_of(self) -> IntArray:
        """Index of each window's clip [int64, ``[windows]``]."""
        return np.repeat(np.arange(self.clips, dtype=np.int64), np.diff(self.offsets))


def cut_windows(offsets: IntArray, frames: int | Literal["clip"], hop: int = 1) -> Windows:
    """Cut each clip of a packed matrix into windows.

    Parameters
    ----------
    offsets
        [int64, ``[clips + 1]``] First row of each clip, as in `Features`.
    frames
        Frames of a window, or ``"clip"`` for one window per clip.
    hop
        Frames from the start of one window to the next.

    Returns
    -------
    Windows
        A clip shorter than a window has none.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.api import cut_windows
    >>> cut_windows(np.array([0, 4, 9]), frames=3).starts
    array([0, 1, 4, 5, 6])
    """
    if frames == "clip":
        return Windows(offsets[:-1].copy(), np.arange(len(offsets), dtype=np.int64), "clip")
    if frames < 1 or hop < 1:
        raise ValueError(f"frames and hop must be at least 1, not {frames} and {hop}")
    lengths = np.diff(offsets)
    counts = np.where(lengths >= frames, (lengths - frames) // hop + 1, 0)
    window_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within = np.arange(window_offsets[-1], dtype=np.int64) - np.repeat(window_offsets[:-1], counts)
    starts = np.repeat(offsets[:-1], counts) + within * hop
    return Windows(starts, window_offsets, frames)
