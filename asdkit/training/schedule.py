"""The learning rate of each step."""

from __future__ import annotations

import math

_WARM_UP = 0.1  # of all steps
_LEAST = 1e-2  # of the peak


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step: a linear rise, then half a cosine down (Smith & Topin 2018).

    Parameters
    ----------
    step
        Number of the step, from 0.
    steps
        Steps of the whole fit.
    """
    rise = max(1, round(_WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    fall = (step - rise) / max(1, steps - rise)
    return _LEAST + (1 - _LEAST) * 0.5 * (1 + math.cos(math.pi * fall))
