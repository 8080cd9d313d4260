"""Occlusion: what happens to a clip's score where a patch of it is replaced by what is usual.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, slide a grey square over an
image. Grey would itself be an anomaly to a model of healthy sound, so a patch is replaced by the same bands of the
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
    """Into how many parts a clip's time and its bands are cut; both are as many as it has where that is fewer."""

    times: int = 16
    bands: int = 16

    def edges(self, rows: int, bands: int) -> tuple[list[int], list[int]]:
        """First frame of each time and first band of each group of bands, and the end of the last one."""
        return _edges(rows, self.times), _edges(bands, self.bands)


@dataclass(frozen=True)
class Scorer:
    """How a fitted detector scores clips of one id.

    Attributes
    ----------
    score
        Window scores [float32, ``[windows]``] of clips of that id.
    pool
        Clip scores [float64, ``[clips]``] of window scores and where each clip's begin.
    frames, hop
        How clips are cut into windows.
    """

    score: Callable[[Features, Windows], FloatArray]
    pool: Callable[[FloatArray, IntArray], DoubleArray]
    frames: int | Literal["clip"]
    hop: int = 1


@dataclass(frozen=True)
class MemberInput:
    """A clip as one member of a system hears it.

    Attributes
    ----------
    frames
        Of the clip [float32, ``[rows, bands]``].
    usual
        Training clips of its id, by the same featurizer.
    """

    frames: FloatArray
    usual: NearestExcerpts
    scorer: Scorer


@dataclass(frozen=True)
class Explanation:
    """What raised a clip's score, where.

    Attributes
    ----------
    score
        The clip's.
    heat
        [float64, ``[times, bands]``] How much the score falls where that part of the clip is replaced by what is
        usual; below 0 where it rises.
    windows
        Of each member [float32, ``[windows]``]: scores of the clip's windows.
    """

    score: float
    heat: DoubleArray
    windows: tuple[FloatArray, ...]

    @property
    def hottest(self) -> tuple[int, int]:
        """Time and band of the grid with most heat."""
        time, band = np.unravel_index(int(self.heat.argmax()), self.heat.shape)
        return int(time), int(band)


def explain(
    parts: Sequence[MemberInput],
    fuse: Callable[[DoubleArray], DoubleArray] | None = None,
    grid: Grid | None = None,
    *,
    exclude: int | None = None,
) -> Explanation:
    """Find what raised a clip's score.

    Patches of two by two cells of the grid overlap by half, and a cell's heat is the mean of those over it: what lies
    across an edge of the grid is not split in two. Only windows that a patch reaches into are scored again.

    Parameters
    ----------
    parts
        The clip as each member hears it; one for a lone detector. All have the same grid: the n-th of so many bands
        of one featurizer counts as the n-th of another's.
    fuse
        Fused scores [float64, ``[clips]``] of members' clip scores [float64, ``[clips, members]``]; None: one member.
    grid
        Resolution; default 16 times by 16 groups of bands.
    exclude
        Which of the training clips this one is, if it is: a clip is no pattern for its own replacement.
    """
    grid = grid or Grid()
    shape = [min(n, *(part.frames.shape[axis] for part in parts)) for axis, n in enumerate((grid.times, grid.bands))]
    grid = Grid(*shape)
    scored = [_occluded(part, grid, exclude) for part in parts]
    members = np.stack([np.concatenate([[whole], patches.ravel()]) for whole, patches, _ in scored], axis=1)
    values = members[:, 0] if fuse is None else np.asarray(fuse(members), dtype=np.float64)
    falls = (values[0] - values[1:]).reshape(scored[0][1].shape)
    return Explanation(float(values[0]), _spread(falls), tuple(windows for *_, windows in scored))


def _occluded(part: MemberInput, grid: Grid, exclude: int | None) -> tuple[float, DoubleArray, FloatArray]:
    """Score a clip, each copy with one patch replaced [``[times + 1, bands + 1]``], and the clip's windows."""
    frames, scorer = np.ascontiguousarray(part.frames), part.scorer
    times, groups = (_overlapping(edges) for edges in grid.edges(*frames.shape))
    usual = _replacements(part, times, exclude)
    own = cut_windows(np.array([0, len(frames)], dtype=np.int64), scorer.frames, scorer.hop)
    windows = _score(part, frames[None])[0]
    patched = np.empty((len(times), len(groups), len(windows)), np.float32)
    patched[:] = windows
    for place, (first, last) in enumerate(times):
        reached = _reached(own, first, last)
        if reached.stop == reached.start:
            continue  # between two windows
        begin, end = 0, len(frames)
        if own.frames != "clip":
            begin, end = int(own.starts[reached.start]), int(own.starts[reached.stop - 1]) + own.frames
        copies = np.repeat(frames[None, begin:end], len(groups), axis=0)
        inside = slice(max(first, begin), min(last, end))
        for copy, (low, high) in zip(copies, groups, strict=True):
            copy[inside.start - begin : inside.stop - begin, low:high] = usual[place][
                inside.start - first : inside.stop - first, low:high
            ]
        patched[place, :, reached] = _score(part, copies)
    ends = np.arange(len(times) * len(groups) + 1, dtype=np.int64) * len(windows)
    whole = scorer.pool(windows, np.array([0, len(windows)], dtype=np.int64))
    return float(whole[0]), scorer.pool(patched.ravel(), ends).reshape(patched.shape[:2]), windows


def _score(part: MemberInput, copies: FloatArray) -> FloatArray:
    """Window scores [float32, ``[copies, windows]``] of copies of a run of frames [``[copies, rows, bands]``]."""
    offsets = np.arange(len(copies) + 1, dtype=np.int64) * copies.shape[1]
    features = Features(copies.reshape(-1, copies.shape[2]), offsets, part.usual.features.scale)
    windows = cut_windows(offsets, part.scorer.frames, part.scorer.hop)
    return part.scorer.score(features, windows).reshape(len(copies), -1)


def _reached(windows: Windows, first: int, last: int) -> slice:
    """Windows of a clip that have frames from `first` up to `last`."""
    if windows.frames == "clip":
        return slice(0, 1)
    begin = int(np.searchsorted(windows.starts + windows.frames, first, "right"))
    return slice(begin, max(begin, int(np.searchsorted(windows.starts, last, "left"))))


def _replacements(part: MemberInput, times: Sequence[tuple[int, int]], exclude: int | None) -> list[FloatArray]:
    """What is usual in place of each run of frames: as much of the nearest training clip as that has, then another."""
    longest = part.usual.longest
    pieces = [[(i, min(i + longest, last)) for i in range(first, last, longest)] for first, last in times]
    excerpts = iter(part.usual.nearest_of_each(part.frames, [p for run in pieces for p in run], exclude=exclude))
    return [np.concatenate([part.usual.frames_of(next(excerpts), end - begin) for begin, end in run]) for run in pieces]


def _edges(count: int, parts: int) -> list[int]:
    return [round(i * count / parts) for i in range(parts + 1)]


def _overlapping(edges: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of two neighbouring cells each, beginning at every cell; at either end of one."""
    last = len(edges) - 1
    return [(edges[max(0, i - 1)], edges[min(last, i + 1)]) for i in range(last + 1)]


def _spread(falls: DoubleArray) -> DoubleArray:
    """Heat of cells: each is under four patches."""
    heat: DoubleArray = (falls[:-1, :-1] + falls[1:, :-1] + falls[:-1, 1:] + falls[1:, 1:]) / 4
    return heat
