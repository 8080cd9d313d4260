"""Nearest-neighbour search in the training frames: the excerpt most similar to a run of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asdkit.features import Features, FloatArray, IntArray

_MIN_POWER = 1e-10  # -100 dB
_MIN_DEVIATION = 1e-3  # dB, for a band that is constant
_BLOCK_SIZE = 4_000_000  # largest product of training frames with frames [elements]


@dataclass(frozen=True)
class Excerpt:
    """A run of frames of a training clip.

    Attributes
    ----------
    clip
        Index of the training clip.
    row
        Its first frame within that clip.
    distance
        Root mean square difference from the query, in standard deviations of each band.
    """

    clip: int
    row: int
    distance: float


class NearestExcerpts:
    """Search in the training clips of one id.

    Distances are between log-mel frames (power is converted to decibels), standardised by the mean and standard
    deviation of each band over all frames of these clips.

    Parameters
    ----------
    features
        Healthy clips; a few minutes are enough.

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    >>> search = NearestExcerpts(Features(frames, np.array([0, 40, 60]), "db"))
    >>> excerpt = search.nearest(frames[45:50])
    >>> excerpt.clip, excerpt.row
    (1, 5)
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        level = _decibels(features.frames, features.scale)
        self._mean = level.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = level.std(axis=0, dtype=np.float64)
        self._scale = (1 / np.maximum(deviation, _MIN_DEVIATION)).astype(np.float32)
        self._frames = self._standardised(features.frames)
        self._squares = np.square(self._frames, dtype=np.float64).sum(axis=1)

    @property
    def longest(self) -> int:
        """Frames of the second longest clip: the longest query that any one clip can be excluded for."""
        lengths = np.sort(np.diff(self.features.offsets))
        return int(lengths[-2:][0])

    def nearest(self, frames: FloatArray, *, exclude: int | None = None) -> Excerpt:
        """Find the training excerpt nearest to a run of frames.

        Parameters
        ----------
        frames
            [float32, ``[rows, bands]``] As the featurizer returned them.
        exclude
            Index of a training clip to exclude: the clip that `frames` are from.

        Raises
        ------
        ValueError
            If no other training clip is as long.
        """
        return self.nearest_of_each(frames, [(0, len(frames))], exclude=exclude)[0]

    def nearest_of_each(
        self, frames: FloatArray, runs: Sequence[tuple[int, int]], *, exclude: int | None = None
    ) -> list[Excerpt]:
        """Find the nearest excerpt of each run ``frames[first:last]`` in one pass; see `nearest`."""
        query = self._standardised(frames)
        query_squares = np.square(query, dtype=np.float64).sum(axis=1)
        best = [Excerpt(-1, -1, np.inf)] * len(runs)
        for clips in self._blocks(len(frames), exclude):
            first, last = self.features.offsets[clips[0]], self.features.offsets[clips[-1] + 1]
            products = self._frames[first:last] @ query.T  # [rows, frames]
            for index, (begin, end) in enumerate(runs):
                length = end - begin
                if last - first < length:
                    continue
                # |a - b|^2 = |a|^2 - 2 ab + |b|^2 of all excerpts a; ab is summed along diagonals of the products
                squares = _moving_sums(self._squares[first:last], length)
                inner = sum(products[i : len(products) - length + 1 + i, begin + i] for i in range(length))
                square = squares - 2 * np.asarray(inner, dtype=np.float64) + query_squares[begin:end].sum()
                square[~self._within_one_clip(clips, length)] = np.inf
                row = int(square.argmin())
                distance = float(np.sqrt(max(square[row], 0.0) / (length * self.features.bands)))
                if square[row] < np.inf and distance < best[index].distance:
                    clip = int(np.searchsorted(self.features.offsets, first + row, "right")) - 1
                    best[index] = Excerpt(clip, int(first + row - self.features.offsets[clip]), distance)
        if any(excerpt.clip < 0 for excerpt in best):
            raise ValueError("no training clip is as long as the run of frames")
        return best

    def frames_of(self, excerpt: Excerpt, rows: int) -> FloatArray:
        """Return the frames of an excerpt [float32, ``[rows, bands]``], a view."""
        return self.features.clip(excerpt.clip)[excerpt.row : excerpt.row + rows]

    def _standardised(self, frames: FloatArray) -> FloatArray:
        standardised: FloatArray = (_decibels(frames, self.features.scale) - self._mean) * self._scale
        return standardised

    def _blocks(self, columns: int, exclude: int | None) -> list[IntArray]:
        """Return blocks of consecutive clips whose product with `columns` frames fits into memory."""
        blocks: list[list[int]] = []
        rows = 0
        lengths = np.diff(self.features.offsets)
        for clip in range(self.features.clips):
            if clip == exclude:
                rows = _BLOCK_SIZE  # start the next block after this clip
                continue
            if not blocks or (rows + lengths[clip]) * columns > _BLOCK_SIZE:
                blocks.append([])
                rows = 0
            blocks[-1].append(clip)
            rows += int(lengths[clip])
        return [np.array(block, dtype=np.int64) for block in blocks]

    def _within_one_clip(self, clips: IntArray, length: int) -> npt.NDArray[np.bool_]:
        """Return which runs of `length` rows of consecutive clips lie within one clip."""
        offsets = self.features.offsets[clips[0] : clips[-1] + 2] - self.features.offsets[clips[0]]
        within = np.zeros(int(offsets[-1]) - length + 1, dtype=bool)
        for begin, end in pairwise(offsets):
            within[begin : max(begin, end - length + 1)] = True
        return within


def _decibels(frames: FloatArray, scale: str) -> FloatArray:
    if scale != "power":
        return frames
    return (10 * np.log10(np.maximum(frames, _MIN_POWER))).astype(np.float32)


def _moving_sums(values: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    """Return the sum of each run of `length` values."""
    totals = np.concatenate([[0.0], np.cumsum(values)])
    sums: npt.NDArray[np.float64] = totals[length:] - totals[:-length]
    return sums
