"""Recordings for a page's audio players: small, and part of the page.

Explained clips as the page shows them: drawn, and with a player each.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asdkit.audio import Wave
from asdkit.report.clip_plots import axis_of, draw_clip, draw_nearest
from asdkit.report.explain import Explained, explain_worst
from asdkit.report.plots import Drawing, Plot
from asdkit.report.run_data import Run

MAX_SECONDS = 15.0
"""Longer recordings are cut to what is around the hottest place; 10 s have about 40 kB."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def excerpt(samples: int, sample_rate: int, around: float) -> tuple[int, int]:
    """First sample and end of what a player gets of a recording, `around` a time [s]."""
    length = min(samples, round(MAX_SECONDS * sample_rate))
    first = min(max(0, round(around * sample_rate) - length // 2), samples - length)
    return first, first + length


def data_uri(wave: Wave, sample_rate: int) -> str:
    """Encode a wave as MP3 (WAV where the sound library has none), brought to half of full scale, as a data URI.

    Recordings of machines may be faint; a player that plays all alike loud is of use for how they sound, not how loud.
    """
    import soundfile

    sound = wave.astype(np.float32)
    peak = float(np.abs(sound).max(initial=0.0))
    sound *= 0.5 / peak if peak > 0 else 1.0
    for kind, suffix, rate in (("MP3", "mpeg", _mp3_rate(sample_rate)), ("WAV", "wav", sample_rate)):
        if kind not in soundfile.available_formats():
            continue
        made = io.BytesIO()
        soundfile.write(made, _at(sound, sample_rate, rate), rate, format=kind)
        return f"data:audio/{suffix};base64,{base64.b64encode(made.getvalue()).decode('ascii')}"
    raise AssertionError("the sound library writes no WAV")


def _mp3_rate(sample_rate: int) -> int:
    """The lowest rate that MP3 has and that is not below the wave's; else its highest."""
    return next(
        (rate for rate in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100) if rate >= sample_rate), 48000
    )


def _at(sound: Wave, sample_rate: int, rate: int) -> Wave:
    from asdkit.audio import resample

    return sound if rate == sample_rate else resample(sound, sample_rate, rate)


@dataclass(frozen=True)
class ExplainedClip:
    """One clip looked at closely.

    Attributes
    ----------
    drawings
        Of the clip, then of its worst place beside the nearest healthy excerpt, where there is one.
    sound
        What a player takes: a data URI.
    cut
        From when to when [s] the player has the clip; None: all of it.
    """

    explained: Explained
    drawings: Mapping[Plot, Drawing]
    sound: str
    cut: tuple[float, float] | None


def look_closer(run: Run) -> tuple[list[ExplainedClip], list[str]]:
    """Explain and draw the worst clips of a run.

    Returns
    -------
    closer, left_out
        The clips, and why others could not be explained.
    """
    explained, left_out = explain_worst(run)
    return [_closer(clip) for clip in explained], left_out


def _closer(clip: Explained) -> ExplainedClip:
    heard, machine = clip.chosen.heard, clip.chosen.machine
    drawings = {Plot(machine, heard.id, clip.chosen.name, heard.clip): draw_clip(clip)}
    if clip.nearest is not None:
        plot = Plot(machine, heard.id, clip.chosen.name, heard.clip, nearest=True)
        drawings[plot] = draw_nearest(clip.nearest, clip.seconds_per_frame, axis_of(clip.frequencies))
    rate = clip.sample_rate
    first, end = excerpt(len(clip.sound), rate, clip.worst)
    cut = None if end - first == len(clip.sound) else (first / rate, end / rate)
    return ExplainedClip(clip, drawings, data_uri(clip.sound[first:end], rate), cut)
