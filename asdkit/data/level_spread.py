"""How much the levels of healthy recordings differ."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from asdkit import audio
from asdkit.audio.level import measure_level
from asdkit.errors import BadAudio
from asdkit.layouts.clip import Clip

_LOOKED_AT = 20  # clips of an id, evenly spaced: enough for a deviation, and quick


def level_spread(clips: Iterable[Clip], sample_rate: int) -> float | None:
    """Return the standard deviation of the levels [dB] of an id's training clips: the median over ids.

    At most 20 clips of each id are read. Silent recordings and those that cannot be used do not count. None if no id
    has two others.

    Parameters
    ----------
    clips
        The clips of all machines; those of the test are passed over.
    sample_rate
        At which they are read [Hz].
    """
    by_id: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        if clip.split == "train":
            by_id.setdefault((clip.machine, clip.id), []).append(clip)

    def level(clip: Clip) -> float | None:
        try:
            rms = measure_level(audio.read(clip.path, sample_rate=sample_rate)).rms
        except BadAudio:
            return None
        return 20 * math.log10(rms) if rms > 0 else None

    spreads = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for own in by_id.values():
            places = np.unique(np.linspace(0, len(own) - 1, _LOOKED_AT).round().astype(int))
            levels = [found for found in pool.map(level, [own[place] for place in places]) if found is not None]
            if len(levels) > 1:
                spreads.append(statistics.stdev(levels))
    return statistics.median(spreads) if spreads else None
