"""Explained clips as the page shows them: drawn, and with a player each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asdkit.report.drawing import Drawing
from asdkit.report.explaining import Explained, explain_worst
from asdkit.report.frequencies import axis_of
from asdkit.report.pictures import draw_clip, draw_nearest
from asdkit.report.plotting import Plot
from asdkit.report.reading import Run
from asdkit.report.sounds import data_uri, excerpt


@dataclass(frozen=True)
class Closer:
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


def look_closer(run: Run) -> tuple[list[Closer], list[str]]:
    """Explain and draw the worst clips of a run.

    Returns
    -------
    closer, left_out
        The clips, and why others could not be explained.
    """
    explained, left_out = explain_worst(run)
    return [_closer(clip) for clip in explained], left_out


def _closer(clip: Explained) -> Closer:
    heard, machine = clip.chosen.heard, clip.chosen.machine
    drawings = {Plot(machine, heard.id, clip.chosen.name, heard.clip): draw_clip(clip)}
    if clip.nearest is not None:
        plot = Plot(machine, heard.id, clip.chosen.name, heard.clip, nearest=True)
        drawings[plot] = draw_nearest(clip.nearest, clip.seconds_per_frame, axis_of(clip.frequencies))
    rate = clip.sample_rate
    first, end = excerpt(len(clip.sound), rate, clip.worst)
    cut = None if end - first == len(clip.sound) else (first / rate, end / rate)
    return Closer(clip, drawings, data_uri(clip.sound[first:end], rate), cut)
