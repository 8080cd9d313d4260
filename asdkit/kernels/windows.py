"""Windows of a packed matrix: gathering them into a batch, and drawing which to gather."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import kernel
from asdkit.kernels.lanes import LANES, load_at, prefetch, store_at

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_AHEAD = 8192  # numbers, 32 kB: how far before its use memory is asked for


def gather(
    frames: FloatArray,
    starts: IntArray,
    length: int,
    out: FloatArray,
    mean: FloatArray | None = None,
    scale: FloatArray | None = None,
    groups: IntArray | None = None,
) -> FloatArray:
    """Copy windows, runs of consecutive rows, into a batch; standardise them in the same pass if asked to.

    Releases the GIL.

    Parameters
    ----------
    frames
        [float32, ``[rows, bands]``, C-contiguous] The packed matrix.
    starts
        [int64, ``[batch]``] First row of each window.
    length
        Rows of a window.
    out
        [float32, ``[at least batch, length, bands]``, C-contiguous] Where to write; the caller's own.
    mean, scale
        [float32, ``[bands]``] Both or neither: what is written is ``(frames - mean) * scale``. There may be several
        means [``[groups, bands]``].
    groups
        [int64, ``[batch]``] Which of several means each window is taken about.

    Returns
    -------
    windows
        [float32, ``[batch, length, bands]``] The first windows of `out`.

    Raises
    ------
    ValueError
        If shapes do not fit together.
    IndexError
        If a window reaches beyond the matrix, or has a group that there is no mean of.
    """
    if frames.ndim != 2 or starts.ndim != 1 or starts.dtype != np.int64:
        raise ValueError(f"frames must be 2-d, starts 1-d int64; not {frames.ndim}-d, {starts.ndim}-d {starts.dtype}")
    if not out.flags.writeable:
        raise ValueError("out must be writable")
    batch, bands = len(starts), frames.shape[1]
    for name, array in (("frames", frames), ("out", out)):
        if array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be C-contiguous float32")
    if out.ndim != 3 or out.shape[0] < batch or out.shape[1:] != (length, bands):
        raise ValueError(f"out has shape {out.shape}, but [at least {batch}, {length}, {bands}] is needed")
    if (mean is None) != (scale is None):
        raise ValueError("give both mean and scale, or neither")
    if mean is None or scale is None:
        beyond = _gather(frames, starts, length, out)
    else:
        if mean.shape[-1:] != (bands,) or mean.ndim != (1 if groups is None else 2) or scale.shape != (bands,):
            raise ValueError(f"mean and scale must have shape ({bands},), not {mean.shape} and {scale.shape}")
        means = np.ascontiguousarray(np.atleast_2d(mean))
        of = _groups(groups, batch, len(means))
        beyond = _gather_standardised(frames, starts, length, out, means, scale, of)
    if beyond >= 0:
        first = int(starts[beyond])
        raise IndexError(f"window {beyond} is rows {first} to {first + length} of a matrix of {len(frames)} rows")
    return out[:batch]


def _groups(groups: IntArray | None, batch: int, means: int) -> IntArray:
    if groups is None:
        return np.zeros(batch, np.int64)
    if groups.shape != (batch,) or groups.dtype != np.int64:
        raise ValueError(f"groups must be int64 of shape ({batch},), not {groups.dtype} of {groups.shape}")
    if batch and not 0 <= groups.min() <= groups.max() < means:
        raise IndexError(f"groups must be 0 to {means - 1}, not {groups.min()} to {groups.max()}")
    return np.ascontiguousarray(groups)


def draw(offsets: IntArray, rng: np.random.Generator, per_clip: int | None = None) -> IntArray:
    """Draw windows for an epoch: uniformly, without replacement, in random order.

    Parameters
    ----------
    offsets
        [int64, ``[clips + 1]``] Windows of clip ``i`` are those from ``offsets[i]`` up to ``offsets[i + 1]``.
    rng
        The only source of randomness.
    per_clip
        How many windows of each clip to draw, all of a clip that has fewer; None draws all windows.

    Returns
    -------
    indices
        [int64, ``[drawn]``] Numbers of the windows: indices into ``Windows.starts``.
    """
    if per_clip is None:
        return rng.permutation(np.arange(offsets[0], offsets[-1]))
    if per_clip < 1:
        raise ValueError(f"per_clip must be at least 1, not {per_clip}")
    counts = np.diff(offsets)
    if (counts < 0).any():
        raise ValueError("offsets must not decrease")
    drawn = np.empty(np.minimum(counts, per_clip).sum(), np.int64)
    _draw(offsets, per_clip, rng.random(len(drawn)), drawn)
    rng.shuffle(drawn)
    return drawn


@kernel
def _gather(frames: FloatArray, starts: IntArray, length: int, out: FloatArray) -> int:
    """Copy windows; return the first that reaches beyond the matrix, or -1.

    A window is one run of memory, but the next lies anywhere: asking for it while this one is copied makes the whole
    as fast as copying one long run (half as fast again as without).
    """
    bands = frames.shape[1]
    numbers = length * bands
    ahead = max(1, _AHEAD // max(numbers, 1))
    for b in range(len(starts)):
        if starts[b] < 0 or starts[b] > len(frames) - length:
            return b
        begin, to = starts[b] * bands, b * numbers
        later = starts[min(b + ahead, len(starts) - 1)] * bands
        for i in range(0, numbers - LANES + 1, LANES):
            prefetch(frames, later + i)
            store_at(out, to + i, load_at(frames, begin + i))
        for i in range(numbers // LANES * LANES, numbers):
            out.flat[to + i] = frames.flat[begin + i]
    return -1


@kernel
def _gather_standardised(
    frames: FloatArray,
    starts: IntArray,
    length: int,
    out: FloatArray,
    mean: FloatArray,
    scale: FloatArray,
    of: IntArray,
) -> int:
    """As `_gather`, and standardise about a row of `mean`: `LANES` bands at a time, those left over one by one."""
    bands = frames.shape[1]
    ahead = max(1, _AHEAD // max(length * bands, 1))
    for b in range(len(starts)):
        if starts[b] < 0 or starts[b] > len(frames) - length:
            return b
        later = starts[min(b + ahead, len(starts) - 1)]
        its = of[b] * bands
        for t in range(length):
            row, to = (starts[b] + t) * bands, (b * length + t) * bands
            for k in range(0, bands - LANES + 1, LANES):
                prefetch(frames, (later + t) * bands + k)
                store_at(out, to + k, (load_at(frames, row + k) - load_at(mean, its + k)) * load_at(scale, k))
            for k in range(bands // LANES * LANES, bands):
                out[b, t, k] = (frames[starts[b] + t, k] - mean[of[b], k]) * scale[k]
    return -1


@kernel
def _draw(offsets: IntArray, per_clip: int, chances: npt.NDArray[np.float64], drawn: IntArray) -> None:
    """Robert Floyd's algorithm for each clip: every set of windows is equally likely."""
    at = 0
    for clip in range(len(offsets) - 1):
        windows = offsets[clip + 1] - offsets[clip]
        first = at
        for last in range(windows - min(windows, per_clip), windows):
            choice = offsets[clip] + np.int64(chances[at] * (last + 1))
            for i in range(first, at):
                if drawn[i] == choice:
                    choice = offsets[clip] + last
                    break
            drawn[at] = choice
            at += 1
