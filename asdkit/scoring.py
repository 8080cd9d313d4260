"""Scores of windows and clips: unknown ids, pooling over a clip, and guards for what plugins return.

A detector is called only with ids that were in training. `score_windows` scores a clip of another id under each known
id and takes the lowest score. No other module implements this rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asdkit import mapped
from asdkit.context import Context
from asdkit.errors import PluginError
from asdkit.features import Features, FloatArray, IntArray, Windows
from asdkit.interfaces import Detector
from asdkit.plugin_calls import plugin_call
from asdkit.spec.settings import Top
from asdkit.text import printable

DoubleArray = npt.NDArray[np.float64]

_PART_WINDOWS, _PART_ROWS = 1 << 13, 1 << 16  # of a matrix with a longer clip: what a detector scores at a time
_LONGEST_REASON = 300  # characters


def score_windows(
    detectors: Mapping[str, Detector],
    use: str,
    features: Features,
    windows: Windows,
    ids: Sequence[str],
    known_ids: Sequence[str],
    ctx: Context,
) -> FloatArray:
    """Score windows, each under its clip's id; under an unknown id, take the lowest score over the known ids.

    Those of long clips are scored in parts, so that what a detector needs of memory does not grow with their length.

    Parameters
    ----------
    detectors
        By id; one under ``""`` where all ids share it.
    use
        Name of the plugin, for messages.
    features, windows, ids, ctx
        As for `asdkit.api.Detector.score`, except that `ids` may hold unknown ones.
    known_ids
        The ids that were in training.

    Returns
    -------
    scores
        [float32, ``[windows]``] Finite.

    Raises
    ------
    PluginError
        If a detector raises an error, or returns anything but one finite float32 per window.
    """
    longest = int(np.diff(features.offsets).max(initial=0))
    if windows.frames == "clip" or longest <= _PART_ROWS:
        return _score_part(detectors, use, features, windows, ids, known_ids, ctx)
    scores = np.empty(len(windows), np.float32)
    for first, last in _part_bounds(windows):
        part = _part(features, windows, ids, first, last)
        scores[first:last] = _score_part(detectors, use, *part, known_ids, ctx)
        mapped.release(features.frames)
    return scores


def _part_bounds(windows: Windows) -> Iterator[tuple[int, int]]:
    """Yield the first and last (exclusive) windows of parts.

    A part has `_PART_WINDOWS` windows, or a power of two if they lie in more than `_PART_ROWS` rows: multiples of usual
    batch sizes, so that a window is in the same batch, and has the same score bit for bit, as without parts.
    """
    size = _PART_WINDOWS
    while size > 1 and len(windows) > size and windows.starts[size] - windows.starts[0] > _PART_ROWS:
        size //= 2
    for first in range(0, len(windows), size):
        yield first, min(first + size, len(windows))


def _part(
    features: Features, windows: Windows, ids: Sequence[str], first: int, last: int
) -> tuple[Features, Windows, Sequence[str]]:
    """Return the windows `first` to `last` (exclusive), the rows in which they lie, and the ids of their clips."""
    assert windows.frames != "clip"
    clips = slice(
        int(np.searchsorted(windows.offsets, first, "right")) - 1, int(np.searchsorted(windows.offsets, last, "left"))
    )
    bounds = slice(clips.start, clips.stop + 1)
    row, end = int(windows.starts[first]), int(windows.starts[last - 1]) + windows.frames
    own = np.clip(features.offsets[bounds], row, end) - row
    rows = Features(features.frames[row:end], own, features.scale, features.conditions[clips])
    offsets = np.clip(windows.offsets[bounds], first, last) - first
    return rows, Windows(windows.starts[first:last] - row, offsets, windows.frames), ids[clips]


def _score_part(
    detectors: Mapping[str, Detector],
    use: str,
    features: Features,
    windows: Windows,
    ids: Sequence[str],
    known_ids: Sequence[str],
    ctx: Context,
) -> FloatArray:
    known = set(known_ids)
    unknown = np.array([id_ not in known for id_ in ids], dtype=bool)
    if "" not in detectors:
        return _score_per_id(detectors, use, features, windows, ids, unknown, ctx)
    scores = np.full(len(windows), np.inf, np.float32)
    calls = [(np.flatnonzero(~unknown), [id_ for id_ in ids if id_ in known])]
    clips = np.flatnonzero(unknown)
    calls += [(clips, [id_] * len(clips)) for id_ in known_ids]
    for clips, as_ids in calls:
        if len(clips):
            some_features, some_windows, positions = _subset(features, windows, clips)
            with plugin_call(detectors[""], "score"):
                values = detectors[""].score(some_features, some_windows, as_ids, ctx)
            scores[positions] = np.minimum(scores[positions], checked_scores(values, len(some_windows), use))
    return scores


def _score_per_id(
    detectors: Mapping[str, Detector],
    use: str,
    features: Features,
    windows: Windows,
    ids: Sequence[str],
    unknown: npt.NDArray[np.bool_],
    ctx: Context,
) -> FloatArray:
    """Score the windows of each clip by the detector of its id; `unknown` marks clips whose id has no detector.

    Each detector that is needed scores all clips: the rounding of a score may depend on what is in the same batch.
    """
    scores = np.full(len(windows), np.inf, np.float32)
    for id_, detector in detectors.items():
        clips = unknown | np.array([i == id_ for i in ids], dtype=bool)
        if clips.any():
            with plugin_call(detector, "score"):
                values = detector.score(features, windows, [id_] * len(ids), ctx)
            values = checked_scores(values, len(windows), use)
            own = clips[windows.clip_of()]
            scores[own] = np.minimum(scores[own], values[own])
    return scores


def _subset(features: Features, windows: Windows, clips: IntArray) -> tuple[Features, Windows, IntArray | slice]:
    """Features and windows of some clips, and the positions of these windows among all."""
    if len(clips) == features.clips:
        return features, windows, slice(None)
    rows, counts = np.diff(features.offsets)[clips], np.diff(windows.offsets)[clips]
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    positions = np.flatnonzero(np.isin(windows.clip_of(), clips))
    starts = windows.starts[positions] - np.repeat(features.offsets[clips] - offsets[:-1], counts)
    frames = np.concatenate([features.clip(clip) for clip in clips])
    window_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    conditions = tuple(features.conditions[int(clip)] for clip in clips) if features.conditions else ()
    some = Features(frames, offsets, features.scale, conditions)
    return some, Windows(starts, window_offsets, windows.frames), positions


def why_no_weight(
    detectors: Mapping[str, Detector],
    features: Features,
    windows: Windows,
    ids: Sequence[str],
    ctx: Context,
) -> str:
    """Ask detectors why their scores mean nothing on this machine; see `asdkit.api.Detector`.

    Parameters
    ----------
    detectors
        By id; one under ``""`` where all ids share it.
    features, windows, ids, ctx
        As for `asdkit.api.Detector.score`: training clips held out.

    Returns
    -------
    reason
        One line; empty if any of the detectors has none, or there are no clips.

    Raises
    ------
    PluginError
        If a detector raises an error, or returns anything but a str.
    """
    reasons: dict[str, None] = {}
    for id_, detector in detectors.items():
        clips = np.flatnonzero([id_ in ("", own) for own in ids])
        method = getattr(detector, "why_no_weight", None)
        if method is None or not len(clips):
            return ""
        some_features, some_windows, _ = _subset(features, windows, clips)
        with plugin_call(detector, "why_no_weight"):
            reason = method(some_features, some_windows, [ids[int(i)] for i in clips], ctx)
            if not isinstance(reason, str):
                raise TypeError(f"returned {type(reason).__name__}; expected str")
        if not reason:
            return ""
        reasons[printable(" ".join(reason.split()))[:_LONGEST_REASON]] = None
    return "; ".join(reasons)


def pool_scores(scores: FloatArray, offsets: IntArray, pool: Literal["mean", "max"] | Top) -> DoubleArray:
    """Pool window scores over each clip.

    Parameters
    ----------
    scores
        [float32, ``[windows]``] Scores of all windows.
    offsets
        [int64, ``[clips + 1]``] First window of each clip; each clip has at least one.
    pool
        ``"mean"``, ``"max"``, or ``Top``: the mean of the highest few (of all, where a clip has fewer).

    Returns
    -------
    clip_scores
        [float64, ``[clips]``]
    """
    if pool == "mean":
        # reduceat sums each clip by itself: with a cumulative sum, one clip's scores would round another's
        sums = np.add.reduceat(scores.astype(np.float64), offsets[:-1])
        return np.asarray(sums / np.diff(offsets))
    if pool == "max":
        return np.maximum.reduceat(scores, offsets[:-1]).astype(np.float64)
    pooled = np.empty(len(offsets) - 1)
    for i in range(len(pooled)):
        highest = np.sort(scores[offsets[i] : offsets[i + 1]])[-pool.top :]
        pooled[i] = highest.mean(dtype=np.float64)
    return pooled


def checked_scores(scores: FloatArray, n: int, use: str) -> FloatArray:
    """Return window scores of the detector `use` if they are as promised: float32, one per window, finite.

    Raises
    ------
    PluginError
        If they are not.
    """
    if not isinstance(scores, np.ndarray) or scores.dtype != np.float32 or scores.shape != (n,):
        what = f"{scores.dtype} {scores.shape}" if isinstance(scores, np.ndarray) else type(scores).__name__
        raise PluginError(f"detector {use!r} returned scores of {what}; expected float32 ({n},)")
    if not np.isfinite(scores).all():
        count = int((~np.isfinite(scores)).sum())
        raise PluginError(f"detector {use!r} returned {count} scores that are NaN or infinite")
    return scores


def fuse_scores(
    fuse: Callable[[DoubleArray, Sequence[str]], object], use: str, members: DoubleArray, ids: Sequence[str]
) -> DoubleArray:
    """Fuse member scores [float64, ``[clips, members]``] into [float64, ``[clips]``].

    Parameters
    ----------
    fuse
        The fuser's method.
    use
        Name of the plugin, for messages.
    members, ids
        As for `asdkit.api.Fuser.fuse`.

    Raises
    ------
    ValueError
        If the fuser returns anything but one finite score per clip.
    """
    fused = np.asarray(fuse(members, ids), dtype=np.float64)
    if fused.shape != (len(ids),) or not np.isfinite(fused).all():
        raise ValueError(f"{use!r} gave scores of a wrong shape, or not finite")
    return fused


def subset_method(fuser: Any) -> str:
    """Return the name of the method that fuses some members, ``fuse_some`` in API 1; empty if there is none."""
    return next((name for name in ("fuse_subset", "fuse_some") if hasattr(fuser, name)), "")


def guarded_fuse(
    fuser: Any, use: str, members: DoubleArray, ids: Sequence[str], some: Sequence[int] | None = None
) -> DoubleArray:
    """Fuse scores of all members or, with `some`, of those with these indices; see `fuse_scores`.

    Raises
    ------
    PluginError
        If the fuser raises an error, or returns anything but one finite score per clip.
    """
    method = "fuse" if some is None else subset_method(fuser)
    with plugin_call(fuser, method):
        fuse = fuser.fuse if some is None else partial(getattr(fuser, method), members=some)
        return fuse_scores(fuse, use, members, ids)
