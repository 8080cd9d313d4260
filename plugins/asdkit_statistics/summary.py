"""Statistics of windows over their frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from asdkit.api import Context, Features, FloatArray, Stopped, Windows, gather
from asdkit_statistics.config import Statistic

_AT_ONCE = 4_000_000  # numbers gathered at a time


def summarise(features: Features, windows: Windows, statistics: Sequence[Statistic], ctx: Context) -> FloatArray:
    """Summarise each window by statistics of each band [float32, ``[windows, statistics x bands]``].

    A window's summary is the same, bit for bit, whatever other windows there are.
    """
    wanted = list(dict.fromkeys(statistics))
    made = np.empty((len(windows), len(wanted), features.bands), np.float32)
    if windows.frames == "clip":
        for clip in range(features.clips):
            rows = len(features.clip(clip))
            for bands in _band_blocks(features.bands, max(2, _AT_ONCE // (4 * max(1, rows)))):
                _check(ctx)
                columns = features.columns(clip, bands.start, bands.stop)
                made[clip, :, bands] = _of_frames(columns[None], wanted, features.scale)[0]
    else:
        at_once = max(1, _AT_ONCE // (windows.frames * features.bands))
        buffer = np.empty((min(at_once, len(windows)), windows.frames, features.bands), np.float32)
        for first in range(0, len(windows), at_once):
            _check(ctx)
            starts = windows.starts[first : first + at_once]
            frames = gather(features.frames, starts, windows.frames, buffer)
            made[first : first + at_once] = _of_frames(frames, wanted, features.scale)
    return made.reshape(len(windows), -1)


def _band_blocks(bands: int, size: int) -> Iterator[slice]:
    """Yield slices of so many bands; none of one band, over which NumPy would sum in another order."""
    for first in range(0, bands, size):
        last = min(first + size, bands)
        yield slice(max(0, min(first, last - 2)), last)


def _of_frames(frames: FloatArray, statistics: Sequence[Statistic], scale: str) -> FloatArray:
    """Statistics [float32, ``[windows, statistics, bands]``] of [float32, ``[windows, frames, bands]``]."""
    made = np.empty((len(frames), len(statistics), frames.shape[2]), np.float32)
    for place, statistic in enumerate(statistics):
        made[:, place] = _of_bands(frames, statistic, scale)
    return made


def _of_bands(frames: FloatArray, statistic: Statistic, scale: str) -> npt.NDArray[np.floating]:
    """One statistic [float, ``[windows, bands]``] of [float32, ``[windows, frames, bands]``]."""
    made: npt.NDArray[np.floating]
    if statistic == "deviation":
        made = frames.std(axis=1, dtype=np.float64)
    elif statistic in ("change", "median-change"):
        steps = np.diff(frames, axis=1)
        if not steps.shape[1]:
            made = np.zeros(frames.shape[::2])
        elif statistic == "change":
            made = steps.std(axis=1, dtype=np.float64)
        else:
            made = np.median(np.abs(steps), axis=1)
    elif statistic == "power" and scale == "db":
        loudest = frames.max(axis=1)
        powers = np.power(10, (frames - loudest[:, None]) / 10)
        made = loudest + 10 * np.log10(powers.mean(axis=1, dtype=np.float64))
    else:
        made = frames.mean(axis=1, dtype=np.float64)
    return made


def _check(ctx: Context) -> None:
    if ctx.should_stop():
        raise Stopped("summarising windows was stopped")
