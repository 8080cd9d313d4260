"""What healthy recordings sound like: the training excerpt nearest to any run of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asdkit.features import Features, FloatArray, IntArray

_LEAST_POWER = 1e-10  # -100 dB
_LEAST_DEVIATION = 1e-3  # dB, of a band that never varies
_AT_ONCE = 4_000_000  # products of frames with frames held at a time


@dataclass(frozen=True)
class Excerpt:
    """A run of frames of a training clip.

    Attributes
    ----------
    clip
        Which of the training clips.
    row
        Its first frame within that clip.
    distance
        Root mean square difference from the run it was sought for, in standard deviations of each band.
    """

    clip: int
    row: int
    distance: float


class NearestExcerpts:
    """Training clips of one id, and how to find in them what is like a run of frames.

    Distances are of log-mel frames (power is taken to decibels first), standardised by the mean and deviation of each
    band over all frames of these clips.

    Parameters
    ----------
    features
        Healthy clips; some minutes of them are enough.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        level = _decibels(features.frames, features.scale)
        self._mean = level.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = level.std(axis=0, dtype=np.float64)
        self._scale = (1 / np.maximum(deviation, _LEAST_DEVIATION)).astype(np.float32)
        self._frames = self._standardised(features.frames)
        self._squares = np.square(self._frames, dtype=np.float64).sum(axis=1)

    @property
    def longest(self) -> int:
        """Rows of the longest training clip but one: so long a run can be sought, one clip left out or not."""
        lengths = np.sort(np.diff(self.features.offsets))
        return int(lengths[-2:][0])

    def nearest(self, frames: FloatArray, *, exclude: int | None = None) -> Excerpt:
        """Find the training excerpt nearest to a run of frames.

        Parameters
        ----------
        frames
            [float32, ``[rows, bands]``] As the featurizer gave them.
        exclude
            A training clip to pass over: the one that `frames` are of.

        Raises
        ------
        ValueError
            If no (other) training clip is as long.
        """
        return self.nearest_of_each(frames, [(0, len(frames))], exclude=exclude)[0]

    def nearest_of_each(
        self, frames: FloatArray, runs: Sequence[tuple[int, int]], *, exclude: int | None = None
    ) -> list[Excerpt]:
        """As `nearest`, for several runs ``frames[first:last]`` in one pass over the training clips."""
        sought = self._standardised(frames)
        squares = np.square(sought, dtype=np.float64).sum(axis=1)
        best = [Excerpt(-1, -1, np.inf)] * len(runs)
        for clips in self._blocks(len(frames), exclude):
            first, last = self.features.offsets[clips[0]], self.features.offsets[clips[-1] + 1]
            products = self._frames[first:last] @ sought.T  # [rows, frames]
            for which, (begin, end) in enumerate(runs):
                length = end - begin
                if last - first < length:
                    continue
                own = _sums(self._squares[first:last], length)
                inner = sum(products[i : len(products) - length + 1 + i, begin + i] for i in range(length))
                square = own - 2 * np.asarray(inner, dtype=np.float64) + squares[begin:end].sum()
                square[~self._whole(clips, length)] = np.inf
                row = int(square.argmin())
                distance = float(np.sqrt(max(square[row], 0.0) / (length * self.features.bands)))
                if square[row] < np.inf and distance < best[which].distance:
                    clip = int(np.searchsorted(self.features.offsets, first + row, "right")) - 1
                    best[which] = Excerpt(clip, int(first + row - self.features.offsets[clip]), distance)
        if any(excerpt.clip < 0 for excerpt in best):
            raise ValueError("no training clip is as long as the run that is sought")
        return best

    def frames_of(self, excerpt: Excerpt, rows: int) -> FloatArray:
        """Frames [float32, ``[rows, bands]``] of an excerpt: a view."""
        return self.features.clip(excerpt.clip)[excerpt.row : excerpt.row + rows]

    def _standardised(self, frames: FloatArray) -> FloatArray:
        made: FloatArray = (_decibels(frames, self.features.scale) - self._mean) * self._scale
        return made

    def _blocks(self, columns: int, exclude: int | None) -> list[IntArray]:
        """Runs of neighbouring clips whose products with `columns` frames fit into memory."""
        blocks: list[list[int]] = []
        rows = 0
        lengths = np.diff(self.features.offsets)
        for clip in range(self.features.clips):
            if clip == exclude:
                rows = _AT_ONCE  # the next block begins behind it
                continue
            if not blocks or (rows + lengths[clip]) * columns > _AT_ONCE:
                blocks.append([])
                rows = 0
            blocks[-1].append(clip)
            rows += int(lengths[clip])
        return [np.array(block, dtype=np.int64) for block in blocks]

    def _whole(self, clips: IntArray, length: int) -> npt.NDArray[np.bool_]:
        """Which runs of `length` rows of neighbouring clips lie within one of them."""
        offsets = self.features.offsets[clips[0] : clips[-1] + 2] - self.features.offsets[clips[0]]
        whole = np.zeros(int(offsets[-1]) - length + 1, dtype=bool)
        for begin, end in pairwise(offsets):
            whole[begin : max(begin, end - length + 1)] = True
        return whole


def _decibels(frames: FloatArray, scale: str) -> FloatArray:
    if scale == "db":
        return frames
    return (10 * np.log10(np.maximum(frames, _LEAST_POWER))).astype(np.float32)


def _sums(values: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    """Sums of each run of `length` values."""
    totals = np.concatenate([[0.0], np.cumsum(values)])
    sums: npt.NDArray[np.float64] = totals[length:] - totals[:-length]
    return sums
