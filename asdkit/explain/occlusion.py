"""Occlusion heat map: how the score of a clip changes if a patch is replaced by the nearest training frames.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, slide a grey square over an
image. A grey square would be an anomaly for a model of healthy sound. So a patch is replaced by the same bands of the
training excerpt that is nearest to its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.explain.nearest import NearestExcerpts
from asdkit.features import Features, FloatArray, IntArray, Windows, cut_windows

DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Number of cells along time and bands; fewer if the clip has fewer frames or bands."""

    times: int = 16
    bands: int = 16

    def edges(self, rows: int, bands: int) -> tuple[list[int], list[int]]:
        """Return the first frame of each column and the first band of each row of cells, with the ends."""
        return _edges(rows, self.times), _edges(bands, self.bands)


@dataclass(frozen=True)
class Scorer:
    """How a fitted detector scores clips of one id.

    Attributes
    ----------
    score
        Returns the window scores [float32, ``[windows]``] of clips of that id.
    pool
        Returns the clip scores [float64, ``[clips]``] from window scores and the offsets of the clips.
    frames, hop
        How clips are cut into windows.
    """

    score: Callable[[Features, Windows], FloatArray]
    pool: Callable[[FloatArray, IntArray], DoubleArray]
    frames: int | Literal["clip"]
    hop: int = 1


@dataclass(frozen=True)
class MemberInput:
    """A clip as input of one member of a system.

    Attributes
    ----------
    frames
        Frames of the clip [float32, ``[rows, bands]``].
    nearest
        Search in training clips of its id, with the same featurizer.
    scorer
        How the member scores.
    """

    frames: FloatArray
    nearest: NearestExcerpts
    scorer: Scorer


@dataclass(frozen=True)
class Explanation:
    """Heat map of a clip.

    Attributes
    ----------
    score
        Score of the clip.
    heat
        [float64, ``[times, bands]``] How much the score falls if that part of the clip is replaced; negative if it
        rises.
    windows
        For each member, the window scores of the clip [float32, ``[windows]``].
    """

    score: float
    heat: DoubleArray
    windows: tuple[FloatArray, ...]

    @property
    def hottest(self) -> tuple[int, int]:
        """Time and band of the cell with the highest heat."""
        time, band = np.unravel_index(int(self.heat.argmax()), self.heat.shape)
        return int(time), int(band)


def explain(
    members: Sequence[MemberInput],
    fuse: Callable[[DoubleArray], DoubleArray] | None = None,
    grid: Grid | None = None,
    *,
    exclude: int | None = None,
) -> Explanation:
    """Compute the heat map of a clip.

    Patches of two by two cells overlap by half. The heat of a cell is the mean over its patches, so that sound on an
    edge of the grid is not split. Only windows that overlap a patch are scored again.

    Parameters
    ----------
    members
        The clip as input of each member; one for a single detector. All have the same grid: cell n of one featurizer's
        bands corresponds to cell n of another's.
    fuse
        Returns fused scores [float64, ``[clips]``] of clip scores [float64, ``[clips, members]``]; None: one member.
    grid
        Resolution; default 16 times by 16 groups of bands.
    exclude
        Index of the training clip that this clip is, if it is one: a clip does not replace its own frames.
    """
    grid = grid or Grid()
    shape = [min(n, *(m.frames.shape[axis] for m in members)) for axis, n in enumerate((grid.times, grid.bands))]
    grid = Grid(*shape)
    scores = [_occluded_scores(member, grid, exclude) for member in members]
    clip_scores = np.stack([np.concatenate([[whole], patches.ravel()]) for whole, patches, _ in scores], axis=1)
    fused = clip_scores[:, 0] if fuse is None else np.asarray(fuse(clip_scores), dtype=np.float64)
    falls = (fused[0] - fused[1:]).reshape(scores[0][1].shape)
    return Explanation(float(fused[0]), _cell_means(falls), tuple(windows for *_, windows in scores))


def _occluded_scores(member: MemberInput, grid: Grid, exclude: int | None) -> tuple[float, DoubleArray, FloatArray]:
    """Return the clip score, that of each occluded copy [``[times + 1, bands + 1]``], and the clip's window scores."""
    frames, scorer = np.ascontiguousarray(member.frames), member.scorer
    times, bands = (_overlapping(edges) for edges in grid.edges(*frames.shape))
    replacements = _replacements(member, times, exclude)
    windows = cut_windows(np.array([0, len(frames)], dtype=np.int64), scorer.frames, scorer.hop)
    scores = _window_scores(member, frames[None])[0]
    occluded = np.empty((len(times), len(bands), len(scores)), np.float32)
    occluded[:] = scores
    for index, (first, last) in enumerate(times):
        overlapping = _windows_over(windows, first, last)
        if overlapping.stop == overlapping.start:
            continue  # between two windows
        begin, end = 0, len(frames)  # the frames of the windows to score again
        if windows.frames != "clip":
            begin = int(windows.starts[overlapping.start])
            end = int(windows.starts[overlapping.stop - 1]) + windows.frames
        copies = np.repeat(frames[None, begin:end], len(bands), axis=0)
        inside = slice(max(first, begin), min(last, end))
        for copy, (low, high) in zip(copies, bands, strict=True):
            copy[inside.start - begin : inside.stop - begin, low:high] = replacements[index][
                inside.start - first : inside.stop - first, low:high
            ]
        occluded[index, :, overlapping] = _window_scores(member, copies)
    offsets = np.arange(len(times) * len(bands) + 1, dtype=np.int64) * len(scores)
    clip_score = scorer.pool(scores, np.array([0, len(scores)], dtype=np.int64))
    return float(clip_score[0]), scorer.pool(occluded.ravel(), offsets).reshape(occluded.shape[:2]), scores


def _window_scores(member: MemberInput, copies: FloatArray) -> FloatArray:
    """Return window scores [float32, ``[copies, windows]``] of copies of some frames [``[copies, rows, bands]``]."""
    offsets = np.arange(len(copies) + 1, dtype=np.int64) * copies.shape[1]
    features = Features(copies.reshape(-1, copies.shape[2]), offsets, member.nearest.features.scale)
    windows = cut_windows(offsets, member.scorer.frames, member.scorer.hop)
    return member.scorer.score(features, windows).reshape(len(copies), -1)


def _windows_over(windows: Windows, first: int, last: int) -> slice:
    """Return the windows of a clip that overlap the frames from `first` up to `last`."""
    if windows.frames == "clip":
        return slice(0, 1)
    begin = int(np.searchsorted(windows.starts + windows.frames, first, "right"))
    return slice(begin, max(begin, int(np.searchsorted(windows.starts, last, "left"))))


def _replacements(member: MemberInput, times: Sequence[tuple[int, int]], exclude: int | None) -> list[FloatArray]:
    """Return the nearest training frames for each run of frames; from several clips if the run is too long for one."""
    nearest = member.nearest
    pieces = [
        [(i, min(i + nearest.longest, last)) for i in range(first, last, nearest.longest)] for first, last in times
    ]
    excerpts = iter(nearest.nearest_of_each(member.frames, [p for run in pieces for p in run], exclude=exclude))
    return [np.concatenate([nearest.frames_of(next(excerpts), end - begin) for begin, end in run]) for run in pieces]


def _edges(count: int, parts: int) -> list[int]:
    return [round(i * count / parts) for i in range(parts + 1)]


def _overlapping(edges: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of two neighbouring cells, one beginning at each cell, and of one cell at either end."""
    last = len(edges) - 1
    return [(edges[max(0, i - 1)], edges[min(last, i + 1)]) for i in range(last + 1)]


def _cell_means(falls: DoubleArray) -> DoubleArray:
    """Return the mean over the four patches of each cell."""
    means: DoubleArray = (falls[:-1, :-1] + falls[1:, :-1] + falls[:-1, 1:] + falls[1:, 1:]) / 4
    return means
