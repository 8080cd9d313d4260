"""Compare the level of a wave with that of the healthy recordings: one rule for files, streams and arrays."""

from __future__ import annotations

from typing import Final

import numpy as np

from asdkit.audio import Wave
from asdkit.audio.level import measure_level, spectral_flatness
from asdkit.bundle.description import Description

_MAX_LEVEL = 1e3  # times full scale, or the loudest healthy sample; larger samples are no sound of this machine
_FAR = 10 ** (30 / 20)  # 30 dB: a remark, no more, because a fault may do that
_NEAR_FULL_SCALE = 0.25  # root mean square; uniform noise has 0.58
_WHITE = 0.3  # flatness

WRONG_FORMAT: Final = "white noise near full scale, unlike the healthy ones: perhaps read in a wrong sample format"


def implausible(description: Description, wave: Wave) -> str:
    """Return why a wave is no sound of this machine, such as bytes read in another format; empty if it may be.

    Samples may reach 1000 times full scale, or 1000 times the loudest sample of the healthy recordings if that is more:
    float recordings may be in physical units.
    """
    if wave.dtype == np.int16:
        return ""
    highest = measure_level(wave).peak
    healthy = description.recorded.peak if description.recorded else None
    if highest < _MAX_LEVEL * max(1.0, healthy or 0.0):
        return ""
    if not np.isfinite(highest):
        return "NaN or infinite samples, where full scale is 1"
    if healthy is None:
        return f"samples up to {highest:.2g}, where full scale is 1 (train again to record the healthy level)"
    return f"samples up to {highest:.2g}, where full scale is 1 and the healthy ones reach {healthy:.2g}"


def level_remarks(description: Description, wave: Wave) -> list[str]:
    """Return how the level of a wave that is not silent differs from that of the healthy recordings."""
    level = measure_level(wave).rms
    healthy = description.recorded
    if healthy is None or healthy.quietest is None or healthy.loudest is None or not level > 0:
        return []
    if level > max(_NEAR_FULL_SCALE, 2 * healthy.loudest) and spectral_flatness(wave) > _WHITE:
        return [WRONG_FORMAT]
    if level * _FAR < healthy.quietest:
        return ["more than 30 dB quieter than the quietest healthy one; p-values may not hold"]
    if level > _FAR * healthy.loudest:
        return ["more than 30 dB louder than the loudest healthy one; p-values may not hold"]
    return []
