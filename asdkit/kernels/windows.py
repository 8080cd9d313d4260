"""Windows of a packed matrix: copy them into a batch, and sample which windows an epoch uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import kernel

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def gather(
    frames: FloatArray, starts: IntArray, length: int, out: FloatArray, mean: FloatArray | None = None,
    scale: FloatArray | None = None, groups: IntArray | None = None,
) -> FloatArray:  # fmt: skip
    """Copy windows, which are runs of consecutive rows, into a batch; optionally standardize them in the same pass.

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
        [float32, ``[at least batch, length, bands]``, C-contiguous] The caller's buffer, written.
    mean, scale
        [float32, ``[bands]``] Both or neither: write ``(frames - mean) * scale``. With `groups`, `mean` has one row
        per group [``[groups, bands]``].
    groups
        [int64, ``[batch]``] Row of `mean` for each window.

    Returns
    -------
    windows
        [float32, ``[batch, length, bands]``] The first windows of `out`.

    Raises
    ------
    ValueError
        If the shapes do not match.
    IndexError
        If a window lies outside the matrix, or `mean` has no row for its group.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import gather
    >>> frames = np.arange(6, dtype=np.float32).reshape(3, 2)
    >>> gather(frames, np.array([1]), 2, np.empty((1, 2, 2), np.float32))
    array([[[2., 3.],
            [4., 5.]]], dtype=float32)
    """
    _check_arrays(frames, starts, length, out)
    batch = len(starts)
    if (mean is None) != (scale is None):
        raise ValueError("give both mean and scale, or neither")
    if mean is None or scale is None:
        outside = _gather(frames, starts, length, out)
    else:
        means, mean_rows = _means(mean, scale, groups, batch, frames.shape[1])
        outside = _gather_standardized(frames, starts, length, out, means, scale, mean_rows)
    if outside >= 0:
        first = int(starts[outside])
        raise IndexError(f"window {outside} is rows {first} to {first + length} of a matrix of {len(frames)} rows")
    return out[:batch]


def draw(offsets: IntArray, rng: np.random.Generator, per_clip: int | None = None) -> IntArray:
    """Sample windows for an epoch: uniformly, without replacement, in random order.

    Parameters
    ----------
    offsets
        [int64, ``[clips + 1]``] Windows of clip ``i`` are those from ``offsets[i]`` up to ``offsets[i + 1]``.
    rng
        The only source of randomness.
    per_clip
        Number of windows to sample from each clip; a clip with fewer gives all of its own. None samples all windows.

    Returns
    -------
    indices
        [int64, ``[sampled]``] Numbers of the windows: indices into ``Windows.starts``.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import draw
    >>> indices = draw(np.array([0, 10, 20]), np.random.default_rng(0), per_clip=3)
    >>> np.sort(indices // 10)  # clip of each window
    array([0, 0, 0, 1, 1, 1])
    """
    if per_clip is None:
        return rng.permutation(np.arange(offsets[0], offsets[-1]))
    if per_clip < 1:
        raise ValueError(f"per_clip must be at least 1, not {per_clip}")
    counts = np.diff(offsets)
    if (counts < 0).any():
        raise ValueError("offsets must not decrease")
    sampled = np.empty(np.minimum(counts, per_clip).sum(), np.int64)
    _sample(offsets, per_clip, rng.random(len(sampled)), sampled)
    rng.shuffle(sampled)
    return sampled


def _check_arrays(frames: FloatArray, starts: IntArray, length: int, out: FloatArray) -> None:
    if frames.ndim != 2 or starts.ndim != 1 or starts.dtype != np.int64:
        raise ValueError(f"frames must be 2-d, starts 1-d int64; not {frames.ndim}-d, {starts.ndim}-d {starts.dtype}")
    if not out.flags.writeable:
        raise ValueError("out must be writable")
    for name, array in (("frames", frames), ("out", out)):
        if array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be C-contiguous float32")
    batch, bands = len(starts), frames.shape[1]
    if out.ndim != 3 or out.shape[0] < batch or out.shape[1:] != (length, bands):
        raise ValueError(f"out has shape {out.shape}, but [at least {batch}, {length}, {bands}] is needed")


def _means(
    mean: FloatArray, scale: FloatArray, groups: IntArray | None, batch: int, bands: int
) -> tuple[FloatArray, IntArray]:
    """Means [float32, ``[groups, bands]``], and the row of each window [int64, ``[batch]``]."""
    if mean.shape[-1:] != (bands,) or mean.ndim != (1 if groups is None else 2) or scale.shape != (bands,):
        raise ValueError(f"mean and scale must have shape ({bands},), not {mean.shape} and {scale.shape}")
    means = np.ascontiguousarray(np.atleast_2d(mean))
    if groups is None:
        return means, np.zeros(batch, np.int64)
    if groups.shape != (batch,) or groups.dtype != np.int64:
        raise ValueError(f"groups must be int64 of shape ({batch},), not {groups.dtype} of {groups.shape}")
    if batch and not 0 <= groups.min() <= groups.max() < len(means):
        raise IndexError(f"groups must be 0 to {len(means) - 1}, not {groups.min()} to {groups.max()}")
    return means, np.ascontiguousarray(groups)


@kernel
def _gather(frames: FloatArray, starts: IntArray, length: int, out: FloatArray) -> int:
    """Copy windows; return the number of the first one outside the matrix, or -1.

    Indexing by three loops is twice as fast as copying by slice or over flat arrays, and compiles faster.
    """
    for b in range(len(starts)):
        first = starts[b]
        if first < 0 or first > len(frames) - length:
            return b
        for t in range(length):
            for k in range(frames.shape[1]):
                out[b, t, k] = frames[first + t, k]
    return -1


@kernel
def _gather_standardized(
    frames: FloatArray,
    starts: IntArray,
    length: int,
    out: FloatArray,
    mean: FloatArray,
    scale: FloatArray,
    mean_rows: IntArray,
) -> int:
    """As `_gather`, but subtract a row of `mean` and multiply by `scale`."""
    for b in range(len(starts)):
        first, row = starts[b], mean_rows[b]
        if first < 0 or first > len(frames) - length:
            return b
        for t in range(length):
            for k in range(frames.shape[1]):
                out[b, t, k] = (frames[first + t, k] - mean[row, k]) * scale[k]
    return -1


@kernel
def _sample(offsets: IntArray, per_clip: int, uniform: npt.NDArray[np.float64], sampled: IntArray) -> None:
    """Robert Floyd's algorithm for each clip: every set of windows is equally likely."""
    count = 0
    for clip in range(len(offsets) - 1):
        windows = offsets[clip + 1] - offsets[clip]
        first = count
        for last in range(windows - min(windows, per_clip), windows):
            choice = offsets[clip] + np.int64(uniform[count] * (last + 1))
            for i in range(first, count):
                if sampled[i] == choice:
                    choice = offsets[clip] + last
                    break
            sampled[count] = choice
            count += 1
