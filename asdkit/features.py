"""Packed features of many clips, and windows that are views of them.

All clips of one machine lie in one matrix, one after the other, so that a window of 5 frames (640 numbers) or of
64 frames (64x128) is a run of consecutive rows. Nothing is ever stacked: a batch is a gather of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


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
        ``"db"`` or ``"power"``: what the numbers are, as the featurizer says.
    """

    frames: FloatArray
    offsets: IntArray
    scale: Literal["db", "power"] = "db"

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

    def select(self, first: int, last: int) -> Features:
        """Clips ``first`` to ``last`` (exclusive), as a view."""
        offsets = self.offsets[first : last + 1]
        return Features(self.frames[offsets[0] : offsets[-1]], offsets - offsets[0], self.scale)


@dataclass(frozen=True)
class Windows:
    """Runs of consecutive frames that never cross the end of a clip: just their first rows.

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

    def clip_of(self) -> IntArray:
        """Index of the clip that each window lies in [int64, ``[windows]``]."""
        return np.repeat(np.arange(self.clips, dtype=np.int64), np.diff(self.offsets))


def cut_windows(offsets: IntArray, frames: int | Literal["clip"], hop: int = 1) -> Windows:
    """Cut each clip of a packed matrix into windows.

    Parameters
    ----------
    offsets
        [int64, ``[clips + 1]``] Where each clip begins, as in `Features`.
    frames
        Frames of a window, or ``"clip"`` for one window a clip.
    hop
        Frames from one window's start to the next.

    Returns
    -------
    Windows
        A clip shorter than a window has none.
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


def frame_count(n_samples: int, *, n_fft: int = 1024, hop_length: int = 512, center: bool = True) -> int:
    """How many frames a wave of `n_samples` samples has; without centring, none if it is shorter than `n_fft`."""
    if center:
        n_samples += 2 * (n_fft // 2)
    return 1 + (n_samples - n_fft) // hop_length if n_samples >= n_fft else 0
