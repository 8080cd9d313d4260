"""Bands as frequencies: what a featurizer knows of them, and where an axis has its marks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.api import Featurizer

DoubleArray = npt.NDArray[np.float64]

_OCTAVES = 1000.0 * 2.0 ** np.arange(-10, 10)  # Hz
_APART = 0.11  # share of the axis between two marks, at least
_EVEN = 5  # marks where too few octaves lie among the bands


@dataclass(frozen=True)
class Axis:
    """An axis of bands.

    Attributes
    ----------
    places
        Of the marks: the middle of the lowest band is at 0.5, that of the next at 1.5.
    marks
        What they say.
    """

    label: str
    places: list[float]
    marks: list[str]


def frequencies_of(featurizer: Featurizer, sample_rate: int) -> DoubleArray | None:
    """Middle of each band [float64, ``[bands]``, Hz]; None where a featurizer does not know, or cannot be right."""
    ask = getattr(featurizer, "frequencies", None)
    if ask is None:
        return None
    try:
        found = np.asarray(ask(sample_rate), dtype=np.float64)
    except Exception:  # a plugin may raise anything; the picture stands without
        return None
    right = found.shape == (featurizer.bands,) and np.isfinite(found).all() and (np.diff(found) > 0).all()
    return found if right else None


def axis_of(frequencies: DoubleArray | None) -> Axis | None:
    """Marks in Hz or kHz: octaves of 1 kHz, as many as there is room for; None where frequencies are not known."""
    if frequencies is None:
        return None
    bands = len(frequencies)
    middles = np.arange(bands) + 0.5
    low, high = np.searchsorted(_OCTAVES, frequencies[0]), np.searchsorted(_OCTAVES, frequencies[-1], "right")
    inside = _OCTAVES[low:high]
    chosen: list[float] = []
    places: list[float] = []
    for frequency in inside[::-1]:  # the highest first: octaves lie closer together the lower they are
        place = float(np.interp(frequency, frequencies, middles))
        if not places or places[-1] - place >= _APART * bands:
            chosen.append(float(frequency))
            places.append(place)
    if len(chosen) < 2:
        places = np.linspace(0.5, bands - 0.5, min(_EVEN, bands)).tolist()
        chosen = [float(np.interp(place, middles, frequencies)) for place in places]
    unit, name = (1000.0, "kHz") if frequencies[-1] >= 1000 else (1.0, "Hz")
    return Axis(f"frequency, {name}", places, [f"{frequency / unit:.3g}" for frequency in chosen])


def told(frequency: float) -> str:
    """A frequency [Hz] in words."""
    return f"{frequency / 1000:.2g} kHz" if frequency >= 1000 else f"{float(f'{frequency:.2g}'):g} Hz"
