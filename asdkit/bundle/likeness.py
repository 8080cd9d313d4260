"""Whether a recording is made as the healthy ones were: where it is not, what is promised of p-values does not hold."""

from __future__ import annotations

from asdkit.bundle.description import Description

SILENT = "silent; the score says nothing of the machine"
_MUCH = 0.1  # part of a length that makes no difference worth telling


def differences(description: Description, sample_rate: int, seconds: float) -> list[str]:
    """How a recording differs from the healthy ones, in words that are the same for all that differ so.

    Parameters
    ----------
    description
        Of the bundle.
    sample_rate
        The recording's own [Hz].
    seconds
        Its length.
    """
    made = description.recorded
    if made is None:
        return []
    told = []
    if sample_rate not in made.rates:
        rates = " or ".join(map(str, made.rates))
        told.append(f"not recorded at {rates} Hz as the healthy ones were, but resampled; p-values may not hold")
    if seconds < made.shortest * (1 - _MUCH):
        told.append(f"shorter than the shortest healthy one ({made.shortest:.3g} s); p-values may not hold")
    if seconds > made.longest * (1 + _MUCH):
        told.append(f"longer than the longest healthy one ({made.longest:.3g} s); p-values may not hold")
    return told
