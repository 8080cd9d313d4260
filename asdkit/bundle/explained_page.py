"""Explained clips as pictures, sound and one self-contained page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from asdkit.bundle.explained import Explained
from asdkit.drawing.clip import band_axis, draw_clip, draw_nearest
from asdkit.drawing.figure import Drawing
from asdkit.drawing.histogram import draw_histogram
from asdkit.drawing.page import fill, inline
from asdkit.drawing.sound import audio_uri, player_part
from asdkit.version import __version__

_FRAME_HEIGHT = 760  # pixels in a notebook


@dataclass(frozen=True)
class Article:
    """An explained clip as a page shows it.

    Attributes
    ----------
    drawings
        ``"clip"``; ``"nearest"``, the worst excerpt beside the nearest healthy one, if there is one; ``"place"``, the
        score among those of the healthy clips held out, if there are any.
    audio
        Sound of the player: a data URI.
    cut
        Start and end [s] of the part in the player; None: the whole clip.
    """

    explained: Explained
    drawings: Mapping[str, Drawing]
    audio: str
    cut: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class ClipExplanation(Explained):
    """An explained clip that a notebook shows as a page."""

    def page(self) -> str:
        """Return the page of this clip."""
        return explained_page([make_article(self)], title=self.name or "explained clip")

    def _repr_html_(self) -> str:
        source = html.escape(self.page(), quote=True)
        return f'<iframe srcdoc="{source}" style="width: 100%; height: {_FRAME_HEIGHT}px; border: 0"></iframe>'


def make_article(clip: Explained) -> Article:
    """Draw an explained clip and encode its sound."""
    over_time = clip.score_over_time
    drawings = {
        "clip": draw_clip(
            clip.frames,
            clip.seconds_per_frame,
            frequencies=clip.frequencies,
            heat=clip.heat,
            over_time=None if over_time is None else (over_time.seconds, over_time.scores),
        )
    }
    if clip.nearest is not None:
        drawings["nearest"] = draw_nearest(clip.nearest, clip.seconds_per_frame, band_axis(clip.frequencies))
    if clip.calibration is not None:
        drawings["place"] = draw_histogram({"held": clip.calibration}, clip.threshold, clip.verdict.score)
    rate = clip.sample_rate
    first, end = player_part(len(clip.wave), rate, clip.worst)
    cut = None if end - first == len(clip.wave) else (first / rate, end / rate)
    return Article(clip, drawings, audio_uri(clip.wave[first:end], rate), cut)


def explained_page(articles: Sequence[Article], title: str, left_out: Sequence[str] = ()) -> str:
    """Return one self-contained page of explained clips.

    Parameters
    ----------
    articles
        The clips.
    title
        Of the page.
    left_out
        A line for each file that is not explained.
    """
    shown = []
    for number, article in enumerate(articles):
        clip = article.explained
        drawn = {key: inline(drawing, f"d{number}-{key}") for key, drawing in article.drawings.items()}
        pictures = [drawn[key] for key in ("clip", "nearest") if key in drawn]
        values = article_values(
            article,
            pictures,
            title=clip.name or "clip",
            reason=clip.verdict.verdict,
            score=clip.verdict.score,
            p_value=clip.verdict.p_value,
        )
        shares = clip.shares or {}
        most = max((abs(share) for share in shares.values()), default=0.0) or 1.0
        values["place"] = drawn.get("place")
        values["held_out"] = 0 if clip.calibration is None else len(clip.calibration)
        values["shares"] = [(name, share, 100 * max(share, 0.0) / most) for name, share in _by_share(shares)]
        shown.append(values)
    return fill("explain.html", title=title, clips=shown, left_out=left_out, version=__version__)


def article_values(
    article: Article, pictures: Sequence[Any], *, title: str, reason: str, score: float, p_value: float | None
) -> dict[str, Any]:
    """Return what the template of one explained clip shows.

    Parameters
    ----------
    pictures
        Of the clip, then of its worst excerpt, as markup.
    title, reason
        Name of the clip, and why it is shown.
    score, p_value
        In a run, those of a clip held out are calibration scores.
    """
    clip = article.explained
    return {
        "clip": title,
        "id": clip.verdict.id,
        "reason": reason,
        "score": score,
        "p_value": _p_value(p_value, clip.verdict.supported_rate),
        "worst": None if clip.heat is None and clip.score_over_time is None else clip.worst,
        "frequency": None if clip.worst_frequency is None else frequency_text(clip.worst_frequency),
        "findings": [finding.sentence for finding in clip.findings],
        "has_heat": clip.heat is not None,
        "remark": clip.remark,
        "picture": pictures[0],
        "beside": pictures[1] if clip.nearest is not None else None,
        "nearest": clip.nearest,
        "audio": article.audio,
        "cut": article.cut,
    }


def explained_values(clip: Explained) -> dict[str, Any]:
    """Return an explained clip as plain values for JSON."""
    verdict, nearest = clip.verdict, clip.nearest
    worst = None if clip.heat is None and clip.score_over_time is None else round(clip.worst, 3)
    return {
        "path": clip.name,
        "id": verdict.id,
        "id_known": verdict.id_known,
        "score": verdict.score,
        "p_value": verdict.p_value,
        "verdict": verdict.verdict,
        "reason": verdict.reason or None,
        "worst_seconds": worst,
        "worst_frequency": None if clip.worst_frequency is None else round(clip.worst_frequency, 1),
        "threshold": clip.threshold,
        "held_out": 0 if clip.calibration is None else len(clip.calibration),
        "held_out_above": None if clip.calibration is None else int((clip.calibration >= verdict.score).sum()),
        "members": dict(verdict.members),
        "shares": None if clip.shares is None else dict(clip.shares),
        "nearest": nearest
        and {
            "clip": nearest.clip,
            "seconds": round(nearest.start, 3),
            "worst_seconds": round(nearest.worst_start, 3),
            "distance": nearest.distance,
        },
        "findings": [asdict(finding) for finding in clip.findings],
        "remark": clip.remark or None,
    }


def frequency_text(frequency: float) -> str:
    """Return a frequency [Hz] with its unit, two digits."""
    return f"{frequency / 1000:.2g} kHz" if frequency >= 1000 else f"{float(f'{frequency:.2g}'):g} Hz"


def _by_share(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda item: -item[1])


def _p_value(p_value: float | None, supported: float | None) -> str:
    """Return a p-value in words; no lower value than the held-out clips support."""
    if p_value is None or supported is None:
        return ""
    if p_value <= supported:
        return f"p-value at most {supported:.2g}, the lowest that the held-out clips support"
    return f"p-value {p_value:.2g}"
