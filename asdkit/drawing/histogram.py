"""Histograms of clip scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.drawing.figure import THEME, Drawing, add_axes, render_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DoubleArray = npt.NDArray[np.float64]

_BINS = 24
_OUTLINES = {"training": (0, (2.5, 1.2)), "held": "solid"}  # groups drawn without a filling


def draw_histogram(groups: dict[str, DoubleArray], threshold: float | None = None, own: float | None = None) -> Drawing:
    """Draw a histogram of clip scores, each group as shares of its own clips.

    Parameters
    ----------
    groups
        Scores [float64, ``[clips]``] by ``"training"``, ``"held"``, ``"normal"``, ``"anomaly"``, ``"unknown"``; empty
        groups are left out.
    threshold
        Score above which a clip is called anomalous, drawn as a line; None: no line.
    own
        Score of one clip, drawn as a line of its own; beyond the last bar it is drawn at the edge.
    """
    filled = {name: scores for name, scores in groups.items() if len(scores)}
    edges, beyond = _edges(filled, [x for x in (threshold, own) if x is not None])

    def draw(figure: Figure) -> None:
        axes = add_axes(figure, left=0.47, bottom=0.42)
        for name, scores in filled.items():
            shares = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] * (100 / len(scores))
            colour = THEME[name]
            if name in _OUTLINES:
                axes.stairs(shares, edges, color=colour, linewidth=1.1, linestyle=_OUTLINES[name], zorder=4)
            else:
                axes.stairs(shares, edges, fill=True, color=colour, alpha=0.42, linewidth=0, zorder=2)
                axes.stairs(shares, edges, color=colour, linewidth=1.2, zorder=3)
        for value, colour, style, text in (
            (threshold, THEME["ink"], (0, (4, 2)), "threshold"),
            (own, THEME["anomaly"], "solid", "this clip"),
        ):
            if value is not None:
                _add_line(axes, float(np.clip(value, edges[0], edges[-1])), colour, style, text)
        axes.set(xlim=(edges[0], edges[-1]), xlabel="score", ylabel="share of clips, %")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=THEME["grid"], linewidth=0.7)
        axes.locator_params(nbins=5)
        if beyond:
            text = f"last bar: {beyond} beyond"
            axes.text(1, 1.02, text, transform=axes.transAxes, ha="right", color=THEME["muted"], fontsize=7)

    return render_figure(draw, (3.4, 2.1))


def _add_line(axes: Axes, at: float, colour: str, style: Any, text: str) -> None:
    """Add a vertical line, with its name above on the side that has space."""
    axes.axvline(at, color=colour, linestyle=style, linewidth=1.3, zorder=5)
    low, high = axes.get_xlim()
    axes.annotate(
        text,
        (at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(2, 2) if at < (low + high) / 2 else (-2, 2),
        textcoords="offset points",
        ha="left" if at < (low + high) / 2 else "right",
        color=colour,
        fontsize=7,
    )


def _edges(groups: dict[str, DoubleArray], marked: Sequence[float] = ()) -> tuple[DoubleArray, int]:
    """Return the edges of the bins, and the number of scores above them, which are counted in the last bin.

    Anomalies may score hundreds of times higher than all other clips and would compress those into one bar. So the
    last bin ends at most four times the range of the healthy scores above the highest healthy score.
    """
    scores = np.concatenate(list(groups.values()))
    healthy = [values for name, values in groups.items() if name in ("training", "held", "normal")]
    every = np.concatenate([scores, marked])
    low, high = float(every.min()), float(every.max())
    if healthy:
        known = np.concatenate(healthy)
        high = min(high, float(known.max() + 4 * (known.max() - known.min())) if len(known) > 1 else high)
    if not high > low:
        pad = max(abs(low) * 0.01, 1e-6)
        low, high = low - pad, high + pad
    return np.linspace(low, high, _BINS + 1), int((scores > high).sum())
