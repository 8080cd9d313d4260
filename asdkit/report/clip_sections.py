"""Sections of explained clips: the article of each, and its pictures among the plots of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asdkit.bundle.explained_page import Article, make_article
from asdkit.drawing.figure import Drawing
from asdkit.report.explained_clips import ExplainedClip, explain_clips
from asdkit.report.plots import Plot
from asdkit.report.run_data import Run


@dataclass(frozen=True)
class ClipSection:
    """An explained clip as the page shows it.

    `drawings` are those of the clip, then of its worst excerpt beside the nearest healthy one, if there is one.
    """

    clip: ExplainedClip
    article: Article
    drawings: Mapping[Plot, Drawing]


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
    article = make_article(clip.explained)
    plots = [Plot(machine, ranked.id, name, ranked.clip, nearest=nearest) for nearest in (False, True)]
    drawings = [drawing for key, drawing in article.drawings.items() if key != "place"]
    return ClipSection(clip, article, dict(zip(plots, drawings, strict=False)))
