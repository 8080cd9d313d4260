"""Bands as frequencies: what a featurizer knows of them, and where an axis has its marks.

Drawings of an explained clip: log-mel with its heat and score over time; its worst place beside a healthy one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.features import FloatArray
from asdkit.report.explain import Explained, Nearest
from asdkit.report.plots import THEME, Drawing, axes_in, made_by, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


_LEVELS = 40  # of a picture: fewer make a smaller file
_RANGE = (1.0, 99.7)  # per cent of the levels that are told apart
_HEAT = 0.85  # opacity of the hottest place
_FRAME = "#fefefe"  # white on dark screens too, unlike the panel's
_LEFT = 0.58  # inches beside a picture, for its marks
_COOL = 0.15  # share of the hottest below which nothing is shown


def draw_clip(clip: Explained) -> Drawing:
    """Log-mel spectrogram with the heat map over it, and the score over time below."""

    def draw(figure: Figure) -> None:
        width, height = figure.get_size_inches()
        below = 0.0 if clip.heard is None else 0.62
        axes = axes_in(figure, left=_LEFT, bottom=0.42 + below)
        end = len(clip.frames) * clip.seconds_per_frame
        _picture(axes, clip.frames, (0.0, end))
        if clip.heat is not None:
            _heat(axes, clip.heat, end, clip.frames.shape[1])
        _label_bands(axes, axis_of(clip.frequencies))
        if clip.heard is None:
            axes.set_xlabel("time, s")
            return
        axes.tick_params(labelbottom=False)
        over = figure.add_axes(
            (_LEFT / width, 0.42 / height, 1 - (_LEFT + 0.1) / width, (below - 0.1) / height), sharex=axes
        )
        style(over)
        over.plot(clip.heard.seconds, clip.heard.scores, color=THEME["anomaly"], linewidth=1.1)
        over.set(xlim=(0, end), xlabel="time, s", ylabel="score")
        over.locator_params(axis="y", nbins=2)

    return made_by(draw, (6.6, 3.1 if clip.heard is not None else 2.5))


def draw_nearest(nearest: Nearest, seconds_per_frame: float, axis: Axis | None) -> Drawing:
    """Draw the worst place, and beside it the healthy excerpt most like it, in the same levels."""

    def draw(figure: Figure) -> None:
        width, height = figure.get_size_inches()
        both = np.concatenate([nearest.here, nearest.there])
        levels = float(np.percentile(both, _RANGE[0])), float(np.percentile(both, _RANGE[1]))
        panel = (width - _LEFT - 0.1 - 0.2) / 2
        for place, (title, frames, begin) in enumerate(
            (("here", nearest.here, nearest.begin), ("nearest healthy excerpt", nearest.there, nearest.seconds))
        ):
            left = _LEFT + place * (panel + 0.2)
            axes = figure.add_axes((left / width, 0.42 / height, panel / width, (height - 0.72) / height))
            style(axes)
            _picture(axes, frames, (begin, begin + len(frames) * seconds_per_frame), levels)
            axes.set_title(title, fontsize=7.5, color=THEME["ink"], loc="left", pad=3)
            axes.set_xlabel("time, s")
            axes.locator_params(axis="x", nbins=3)
            _label_bands(axes, axis)
            if place > 0:
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)

    return made_by(draw, (3.4, 2.5))


def _label_bands(axes: Axes, axis: Axis | None) -> None:
    if axis is None:
        axes.set_ylabel("band, low to high")
        return
    axes.set_yticks(axis.places, axis.marks)
    axes.set_ylabel(axis.label)


def _picture(
    axes: Axes, frames: FloatArray, seconds: tuple[float, float], levels: tuple[float, float] | None = None
) -> None:
    from matplotlib import colormaps

    low, high = levels or (float(np.percentile(frames, _RANGE[0])), float(np.percentile(frames, _RANGE[1])))
    shares = np.clip((frames.T - low) / max(high - low, 1e-6), 0, 1)
    coloured = colormaps["bone"](np.round(shares * (_LEVELS - 1)) / (_LEVELS - 1), bytes=True)
    _show(axes, np.asarray(coloured), (*seconds, 0, frames.shape[1]))


def _heat(axes: Axes, heat: npt.NDArray[np.float64], end: float, bands: int) -> None:
    """Lay the heat over a picture: from clear to yellow; the hottest cell has a frame."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    hottest = float(heat.max())
    if not hottest > 0:
        return
    shares = np.clip(heat.T / hottest, 0, 1)
    coloured = np.asarray(colormaps["autumn"](shares, bytes=True)).copy()
    opacity = np.clip((shares - _COOL) / (1 - _COOL), 0, 1) * _HEAT
    coloured[..., 3] = np.round(255 * opacity)
    _show(axes, coloured, (0.0, end, 0, bands))
    band, time = np.unravel_index(int(shares.argmax()), shares.shape)
    cell = end / heat.shape[0], bands / heat.shape[1]
    place = (time * cell[0], band * cell[1])
    axes.add_patch(Rectangle(place, *cell, fill=False, edgecolor=_FRAME, linewidth=1.2))


def _show(axes: Axes, picture: npt.NDArray[Any], extent: tuple[float, float, float, float]) -> None:
    axes.imshow(picture, origin="lower", aspect="auto", interpolation="none", extent=extent)
