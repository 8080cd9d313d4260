"""Which recordings are too short or too long for a system to score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from asdkit.bundle.description import PluginPart
from asdkit.bundle.members import Member
from asdkit.feature_extraction import hop_and_reach, rows_of
from asdkit.interfaces import Featurizer

MAX_WHOLE_SAMPLES: Final = 1 << 28
"""Samples of the longest recording for a featurizer that takes waves whole, not in parts."""
MAX_FRAMES: Final = 1 << 22
"""Most frames of a recording: of each frame, its place and scores stay in memory, a few dozen bytes."""

_LONG = 100_000_000  # samples: in a wave this long, the rows at its ends do not change the mean hop


def too_short(members: Sequence[Member], featurizers: Sequence[Featurizer], samples: int, sample_rate: int) -> str:
    """Return why a wave with this many samples at a rate [Hz] cannot be scored; empty if it can."""
    for member in members:
        rows = rows_of(featurizers[member.featurizer], samples)
        frames = 1 if member.frames == "clip" else member.frames
        if rows < frames:
            seconds = samples / sample_rate
            return f"shorter than a window of {member.name}: {seconds:.2f} s gives {rows} of {frames} frames"
    return ""


def too_long(parts: Sequence[PluginPart], featurizers: Sequence[Featurizer], samples: int, sample_rate: int) -> str:
    """Return why a wave with this many samples at a rate [Hz] would take too much memory; empty if it does not.

    Parameters
    ----------
    parts
        The description of each featurizer.
    """
    for part, featurizer in zip(parts, featurizers, strict=True):
        length = f"too long: {samples / sample_rate / 3600:.2f} h"
        if samples > MAX_WHOLE_SAMPLES and hop_and_reach(featurizer) is None:
            longest = f"{MAX_WHOLE_SAMPLES / sample_rate / 3600:.2f} h, since {part.use} takes recordings whole"
            return f"{length}; expected at most {longest}; cut it into parts"
        rows = rows_of(featurizer, samples)
        if rows > MAX_FRAMES:
            return f"{length} gives {rows} frames of {part.use}; expected at most {MAX_FRAMES}; cut it into parts"
    return ""


def seconds_per_frame(featurizer: Featurizer, sample_rate: int) -> float:
    """Return the time from one frame of a featurizer to the next [s]; 1 where a clip of any length has as many."""
    added = featurizer.rows(2 * _LONG) - featurizer.rows(_LONG)
    return _LONG / added / sample_rate if added > 0 else 1.0
