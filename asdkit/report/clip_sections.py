"""Sections of explained clips: spectrogram with heat map, nearest healthy excerpt, and audio player."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.audio import Wave, resample
from asdkit.features import FloatArray
from asdkit.report.explained_clips import ExplainedClip, NearestHealthy, explain_clips
from asdkit.report.plots import THEME, Drawing, Plot, add_axes, render_figure, style_axes
from asdkit.report.run_data import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DoubleArray = npt.NDArray[np.float64]

MAX_SECONDS = 15.0
"""Longer recordings are cut around their worst time; 10 s take about 40 kB."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz

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
class ClipSection:
    """An explained clip as the page shows it.

    Attributes
    ----------
    drawings
        Of the clip, then of its worst excerpt beside the nearest healthy one, if there is one.
    audio
        Sound of the player: a data URI.
    cut
        Start and end [s] of the part in the player; None: the whole clip.
    """

    explained: ExplainedClip
    drawings: Mapping[Plot, Drawing]
    audio: str
    cut: tuple[float, float] | None


def clip_sections(run: Run) -> tuple[list[ClipSection], list[str]]:
    """Explain and draw the worst clips of a run.

    Returns
    -------
    sections, left_out
        The sections, and a line for each reason why other clips have none.
    """
    explained, left_out = explain_clips(run)
    return [_section(clip) for clip in explained], left_out


def _section(clip: ExplainedClip) -> ClipSection:
    ranked, machine, name = clip.chosen.ranked, clip.chosen.machine, clip.chosen.name
    drawings = {Plot(machine, ranked.id, name, ranked.clip): draw_clip(clip)}
    if clip.nearest is not None:
        plot = Plot(machine, ranked.id, name, ranked.clip, nearest=True)
        drawings[plot] = draw_nearest(clip.nearest, clip.seconds_per_frame, band_axis(clip.frequencies))
    rate = clip.sample_rate
    first, end = player_part(len(clip.wave), rate, clip.worst)
    cut = None if end - first == len(clip.wave) else (first / rate, end / rate)
    return ClipSection(clip, drawings, audio_uri(clip.wave[first:end], rate), cut)


def player_part(samples: int, sample_rate: int, around: float) -> tuple[int, int]:
    """Return the first sample and the end of the part in the player, centred on the time `around` [s] if possible."""
    length = min(samples, round(MAX_SECONDS * sample_rate))
    first = min(max(0, round(around * sample_rate) - length // 2), samples - length)
    return first, first + length


def audio_uri(wave: Wave, sample_rate: int) -> str:
    """Encode a wave as MP3 (WAV if the sound library has no MP3) in a data URI, its peak scaled to half of full scale.

    Recordings of machines may be faint. Equal peaks show how clips sound, not how loud they are.
    """
    import soundfile

    sound = wave.astype(np.float32)
    peak = float(np.abs(sound).max(initial=0.0))
    sound *= 0.5 / peak if peak > 0 else 1.0
    mp3_rate = next((rate for rate in _MP3_RATES if rate >= sample_rate), _MP3_RATES[-1])
    for kind, suffix, rate in (("MP3", "mpeg", mp3_rate), ("WAV", "wav", sample_rate)):
        if kind not in soundfile.available_formats():
            continue
        encoded = io.BytesIO()
        resampled = sound if rate == sample_rate else resample(sound, sample_rate, rate)
        soundfile.write(encoded, resampled, rate, format=kind)
        return f"data:audio/{suffix};base64,{base64.b64encode(encoded.getvalue()).decode('ascii')}"
    raise AssertionError("the sound library writes no WAV")


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


def draw_clip(clip: ExplainedClip) -> Drawing:
    """Draw the spectrogram with the heat map over it, and the score over time below."""

    def draw(figure: Figure) -> None:
        width, height = figure.get_size_inches()
        below = 0.0 if clip.score_over_time is None else 0.62
        axes = add_axes(figure, left=_LEFT, bottom=0.42 + below)
        end = len(clip.frames) * clip.seconds_per_frame
        _add_spectrogram(axes, clip.frames, (0.0, end))
        if clip.heat is not None:
            _add_heat(axes, clip.heat, end, clip.frames.shape[1])
        _label_bands(axes, band_axis(clip.frequencies))
        if clip.score_over_time is None:
            axes.set_xlabel("time, s")
            return
        axes.tick_params(labelbottom=False)
        below_axes = figure.add_axes(
            (_LEFT / width, 0.42 / height, 1 - (_LEFT + 0.1) / width, (below - 0.1) / height), sharex=axes
        )
        style_axes(below_axes)
        over_time = clip.score_over_time
        below_axes.plot(over_time.seconds, over_time.scores, color=THEME["anomaly"], linewidth=1.1)
        below_axes.set(xlim=(0, end), xlabel="time, s", ylabel="score")
        below_axes.locator_params(axis="y", nbins=2)

    return render_figure(draw, (6.6, 3.1 if clip.score_over_time is not None else 2.5))


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
