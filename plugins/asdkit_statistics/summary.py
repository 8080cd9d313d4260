"""Summaries of windows: all statistics of each, side by side."""

from __future__ import annotations

import numpy as np

from asdkit.api import Context, Features, FloatArray, IntArray, Windows, gather
from asdkit_statistics.config import Statistic, StatisticsConfig
from asdkit_statistics.statistics import band_blocks, compute, compute_block, finish, width

_AT_ONCE = 4_000_000  # numbers gathered at a time


def distinct(config: StatisticsConfig) -> list[Statistic]:
    """Statistics of the options, each once."""
    return list(dict.fromkeys(config.statistics))


def widths(config: StatisticsConfig, bands: int) -> IntArray:
    """How many numbers of a summary each statistic has [int64, ``[statistics]``]."""
    return np.array([width(statistic, bands) for statistic in distinct(config)], np.int64)


def summarise(features: Features, windows: Windows, config: StatisticsConfig, ctx: Context) -> FloatArray:
    """Summarise each window by its statistics [float32, ``[windows, sum of widths]``].

    A window's summary is the same, bit for bit, whatever other windows there are.
    """
    summaries = np.empty((len(windows), widths(config, features.bands).sum()), np.float32)
    if windows.frames == "clip":
        for clip in range(features.clips):
            ctx.raise_if_stopped()
            summaries[clip] = _of_clip(features, clip, config, ctx)
    else:
        at_once = max(1, _AT_ONCE // (windows.frames * features.bands))
        buffer = np.empty((min(at_once, len(windows)), windows.frames, features.bands), np.float32)
        for first in range(0, len(windows), at_once):
            ctx.raise_if_stopped()
            starts = windows.starts[first : first + at_once]
            frames = gather(features.frames, starts, windows.frames, buffer)
            parts = [compute(frames, statistic, features.scale, config.rank_decay) for statistic in distinct(config)]
            summaries[first : first + at_once] = np.concatenate(parts, axis=1)
    return summaries


def _of_clip(features: Features, clip: int, config: StatisticsConfig, ctx: Context) -> FloatArray:
    """All statistics of one clip [float32, ``[sum of widths]``]; of a long one, a few bands are in memory at a time."""
    at_once = max(2, _AT_ONCE // (4 * max(1, len(features.clip(clip)))))
    parts = []
    for statistic in distinct(config):
        blocks = []
        for bands in band_blocks(statistic, features.bands, at_once):
            ctx.raise_if_stopped()
            columns = features.columns(clip, bands.start, bands.stop)
            blocks.append((bands, compute_block(columns[None], statistic, features.scale, config.rank_decay)))
        parts.append(finish(blocks, statistic, features.bands)[0])
    return np.concatenate(parts).astype(np.float32)
