"""Pictures of one clip: spectrogram with heat map and score over time, and its worst excerpt beside a healthy one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.drawing.figure import THEME, Drawing, add_axes, render_figure, style_axes
from asdkit.features import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DoubleArray = npt.NDArray[np.float64]

_OCTAVES = 1000.0 * 2.0 ** np.arange(-10, 10)  # Hz
_TICK_GAP = 0.11  # least share of the axis between two ticks
_LEAST_IN_KHZ = 100.0  # Hz, of the lowest tick: in kHz, lower ones would be too long for their margin
_EVEN_TICKS = 5  # ticks if fewer than two octaves are within the bands

_COLOURS = 40  # of a spectrogram: fewer make a smaller file
_PERCENTILES = (1.0, 99.7)  # of the levels, the range of the colours
_OPACITY = 0.85  # of the hottest cell
_CLEAR = 0.15  # share of the highest heat below which a cell is transparent
_FRAME = "#fefefe"  # not the panel's white, so that it stays white on dark screens
_LEFT = 0.58  # inches left of a spectrogram, for its ticks


@dataclass(frozen=True)
class NearestHealthy:
    """The training excerpt nearest to the worst excerpt of a clip.

    Attributes
    ----------
    worst_frames, frames
        Frames [float32, ``[rows, bands]``] of the worst excerpt, and of the nearest one in the training clip `clip`.
    worst_start, start
        Start [s] of either within its clip.
    distance
        In standard deviations of each band, root mean square.
    """

    worst_frames: FloatArray
    frames: FloatArray
    clip: str
    worst_start: float
    start: float
    distance: float


@dataclass(frozen=True)
class BandAxis:
    """Ticks of an axis of bands.

    Attributes
    ----------
    positions
        Of the ticks, in bands: the middle of the lowest band is at 0.5, that of the next at 1.5.
    ticks
        Their labels.
    """

    label: str
    positions: list[float]
    ticks: list[str]


def band_axis(frequencies: DoubleArray | None) -> BandAxis | None:
    """Place ticks at octaves of 1 kHz, as many as fit; None if the frequencies of the bands are unknown."""
    if frequencies is None:
        return None
    bands = len(frequencies)
    middles = np.arange(bands) + 0.5
    low, high = np.searchsorted(_OCTAVES, frequencies[0]), np.searchsorted(_OCTAVES, frequencies[-1], "right")
    chosen: list[float] = []
    positions: list[float] = []
    for frequency in _OCTAVES[low:high][::-1]:  # the highest first: on a mel axis low octaves are closer together
        position = float(np.interp(frequency, frequencies, middles))
        if not positions or positions[-1] - position >= _TICK_GAP * bands:
            chosen.append(float(frequency))
            positions.append(position)
    if len(chosen) < 2:
        positions = np.linspace(0.5, bands - 0.5, min(_EVEN_TICKS, bands)).tolist()
        chosen = [float(np.interp(position, middles, frequencies)) for position in positions]
    in_khz = frequencies[-1] >= 1000 and min(chosen) >= _LEAST_IN_KHZ
    unit, name = (1000.0, "kHz") if in_khz else (1.0, "Hz")
    return BandAxis(f"frequency, {name}", positions, [f"{float(f'{tick / unit:.3g}'):g}" for tick in chosen])


def draw_clip(
    frames: FloatArray,
    seconds_per_frame: float,
    *,
    frequencies: DoubleArray | None,
    heat: DoubleArray | None,
    over_time: tuple[DoubleArray, FloatArray] | None,
) -> Drawing:
    """Draw the spectrogram of a clip with the heat map over it, and the score over time below.

    Parameters
    ----------
    frames
        [float32, ``[rows, bands]``]
    frequencies
        Middle of each band [float64, ``[bands]``, Hz].
    heat
        [float64, ``[times, bands]``]
    over_time
        Seconds and scores, each ``[times]``.
    """

    def draw(figure: Figure) -> None:
        width, height = figure.get_size_inches()
        below = 0.0 if over_time is None else 0.62
        axes = add_axes(figure, left=_LEFT, bottom=0.42 + below)
        end = len(frames) * seconds_per_frame
        _add_spectrogram(axes, frames, (0.0, end))
        if heat is not None:
            _add_heat(axes, heat, end, frames.shape[1])
        _label_bands(axes, band_axis(frequencies))
        if over_time is None:
            axes.set_xlabel("time, s")
            return
        axes.tick_params(labelbottom=False)
        below_axes = figure.add_axes(
            (_LEFT / width, 0.42 / height, 1 - (_LEFT + 0.1) / width, (below - 0.1) / height), sharex=axes
        )
        style_axes(below_axes)
        below_axes.plot(*over_time, color=THEME["anomaly"], linewidth=1.1)
        below_axes.set(xlim=(0, end), xlabel="time, s", ylabel="score")
        below_axes.locator_params(axis="y", nbins=2)

    return render_figure(draw, (6.6, 3.1 if over_time is not None else 2.5))


def draw_nearest(nearest: NearestHealthy, seconds_per_frame: float, axis: BandAxis | None) -> Drawing:
    """Draw the worst excerpt and the nearest healthy excerpt side by side, in the same range of levels."""

    def draw(figure: Figure) -> None:
        width, height = figure.get_size_inches()
        both = np.concatenate([nearest.worst_frames, nearest.frames])
        levels = float(np.percentile(both, _PERCENTILES[0])), float(np.percentile(both, _PERCENTILES[1]))
        panel = (width - _LEFT - 0.1 - 0.2) / 2
        for index, (title, frames, start) in enumerate(
            (
                ("here", nearest.worst_frames, nearest.worst_start),
                ("nearest healthy excerpt", nearest.frames, nearest.start),
            )
        ):
            left = _LEFT + index * (panel + 0.2)
            axes = figure.add_axes((left / width, 0.42 / height, panel / width, (height - 0.72) / height))
            style_axes(axes)
            _add_spectrogram(axes, frames, (start, start + len(frames) * seconds_per_frame), levels)
            axes.set_title(title, fontsize=7.5, color=THEME["ink"], loc="left", pad=3)
            axes.set_xlabel("time, s")
            axes.locator_params(axis="x", nbins=3)
            _label_bands(axes, axis)
            if index > 0:
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)

    return render_figure(draw, (3.4, 2.5))


def _label_bands(axes: Axes, axis: BandAxis | None) -> None:
    if axis is None:
        axes.set_ylabel("band, low to high")
        return
    axes.set_yticks(axis.positions, axis.ticks)
    axes.set_ylabel(axis.label)


def _add_spectrogram(
    axes: Axes, frames: FloatArray, seconds: tuple[float, float], levels: tuple[float, float] | None = None
) -> None:
    from matplotlib import colormaps

    low, high = levels or (float(np.percentile(frames, _PERCENTILES[0])), float(np.percentile(frames, _PERCENTILES[1])))
    shares = np.clip((frames.T - low) / max(high - low, 1e-6), 0, 1)
    image = colormaps["bone"](np.round(shares * (_COLOURS - 1)) / (_COLOURS - 1), bytes=True)
    _add_image(axes, np.asarray(image), (*seconds, 0, frames.shape[1]))


def _add_heat(axes: Axes, heat: DoubleArray, end: float, bands: int) -> None:
    """Add the heat map, from transparent to yellow, with a frame around the hottest cell."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    hottest = float(heat.max())
    if not hottest > 0:
        return
    shares = np.clip(heat.T / hottest, 0, 1)
    image = np.asarray(colormaps["autumn"](shares, bytes=True)).copy()
    opacity = np.clip((shares - _CLEAR) / (1 - _CLEAR), 0, 1) * _OPACITY
    image[..., 3] = np.round(255 * opacity)
    _add_image(axes, image, (0.0, end, 0, bands))
    band, time = np.unravel_index(int(shares.argmax()), shares.shape)
    cell = end / heat.shape[0], bands / heat.shape[1]
    corner = (time * cell[0], band * cell[1])
    axes.add_patch(Rectangle(corner, *cell, fill=False, edgecolor=_FRAME, linewidth=1.2))


def _add_image(axes: Axes, image: npt.NDArray[Any], extent: tuple[float, float, float, float]) -> None:
    axes.imshow(image, origin="lower", aspect="auto", interpolation="none", extent=extent)
