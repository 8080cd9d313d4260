"""ROC curves and score histograms as SVG and PNG: which plots a report has, and how each is drawn.

matplotlib's figures are used without its global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asdkit.drawing.figure import THEME, Drawing, add_axes, render_figure
from asdkit.drawing.histogram import draw_histogram
from asdkit.metrics import MAX_FPR, roc_curve
from asdkit.report.run_data import Run
from asdkit.run.score_table import RunSplit
from asdkit.text import file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DoubleArray = npt.NDArray[np.float64]

MAX_DRAWINGS = 120
"""Drawings on a page; so many take about 1.5 MB."""

MAX_CURVES = 6
"""ROC curves in one plot."""

_DASHES: list[str | tuple[float, tuple[float, ...]]] = [
    "solid",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    (0, (8, 2)),
]

# split and labels of the clips in each group of a histogram
_GROUPS: Mapping[str, tuple[RunSplit, tuple[int | None, ...]]] = {
    "training": ("train", ()),
    "held": ("held", ()),
    "normal": ("test", (0,)),
    "anomaly": ("test", (1,)),
    "unknown": ("test", (None,)),
}


@dataclass(frozen=True)
class Plot:
    """What one drawing shows.

    With a name: score histograms of that member or system on one machine and id; without: the ROC curves of all.
    With a clip: its spectrogram, or with `nearest` its worst excerpt beside the nearest healthy excerpt.
    """

    machine: str
    id: str
    name: str | None = None
    clip: str | None = None
    nearest: bool = False

    @property
    def path(self) -> PurePosixPath:
        """Path below the folder of plots, without a suffix."""
        if self.clip is not None:
            kind = "nearest" if self.nearest else "clip"
            return PurePosixPath(file_name(self.machine), f"{kind}_{file_name(PurePosixPath(self.clip).stem)}")
        kind = "roc" if self.name is None else f"scores_{file_name(self.name)}"
        return PurePosixPath(file_name(self.machine), f"{kind}_id_{file_name(self.id)}")


@dataclass(frozen=True)
class Curve:
    """One ROC curve: name, index among the names of the run (which sets its colour), AUC, labels and scores."""

    name: str
    index: int
    auc: float
    labels: npt.NDArray[np.int64]
    scores: DoubleArray


def plan_plots(run: Run) -> tuple[list[Plot], list[Plot]]:
    """List the plots of a page, and those left out to keep it small.

    First come the ROC curves and the first name's histogram of each id, then the other names, in the spec's order.
    """
    ids = [(machine, id_) for machine in sorted(run.tables) for id_ in run.ids(machine)]
    plots = []
    for machine, id_ in ids:
        plots += [Plot(machine, id_)] if roc_curves(run, machine, id_) else []
        plots += [Plot(machine, id_, name) for name in run.drawn(machine)[:1]]
    for name in (*run.systems, *run.members):
        plots += [Plot(machine, id_, name) for machine, id_ in ids if name in run.drawn(machine)[1:]]
    return plots[:MAX_DRAWINGS], plots[MAX_DRAWINGS:]


def draw_plot(run: Run, plot: Plot) -> Drawing:
    """Draw the ROC curves or the histogram of one machine and id."""
    if plot.name is None:
        return draw_roc(roc_curves(run, plot.machine, plot.id))
    table = run.tables[plot.machine]
    scores = table.comparable(plot.name)
    return draw_histogram(
        {group: scores[table.where(plot.id, split, *labels)] for group, (split, labels) in _GROUPS.items()}
    )


def write_plots(folder: Path, drawings: Mapping[Plot, Drawing]) -> None:
    """Write each drawing as SVG and PNG below `folder`."""
    for plot, drawing in drawings.items():
        path = folder / plot.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.svg").write_bytes(drawing.svg)
        path.with_name(f"{path.name}.png").write_bytes(drawing.png)


def roc_curves(run: Run, machine: str, id_: str) -> list[Curve]:
    """Return the ROC curves of one machine and id; none unless it has test clips of both classes."""
    table = run.tables[machine]
    chosen = table.where(id_, "test", 0, 1)
    labels = np.array([x for x, c in zip(table.labels, chosen, strict=True) if c], dtype=np.int64)
    areas = {
        r.name: r.auc for r in run.results if (r.machine, r.id, r.domain) == (machine, id_, None) and r.auc is not None
    }
    return [
        Curve(name, index, areas[name], labels, table.columns[name][chosen])
        for index, name in enumerate(run.drawn(machine)[:MAX_CURVES])
        if name in areas
    ]


def draw_roc(curves: Sequence[Curve]) -> Drawing:
    """Draw up to `MAX_CURVES` ROC curves, and shade the zone of the pAUC."""

    def draw(figure: Figure) -> None:
        axes = add_axes(figure, left=0.42, bottom=0.42)
        axes.axvspan(0, MAX_FPR, color=THEME["zone"], linewidth=0, zorder=0)
        axes.text(MAX_FPR / 2, 1.012, "pAUC", color=THEME["muted"], ha="center", va="bottom", fontsize=7)
        axes.plot([0, 1], [0, 1], color=THEME["grid"], linewidth=1, zorder=1)
        for curve in curves[:MAX_CURVES]:
            false, true = roc_curve(curve.labels, curve.scores)
            axes.plot(
                false,
                true,
                color=THEME[f"curve-{curve.index % MAX_CURVES + 1}"],
                linestyle=_DASHES[curve.index % MAX_CURVES],
                linewidth=1.6,
                label=f"{curve.name}  {100 * curve.auc:.2f}",
            )
        axes.set(xlim=(-0.005, 1.005), ylim=(-0.005, 1.01), xlabel="false positive rate", ylabel="true positive rate")
        axes.set_xticks([0, MAX_FPR, 0.5, 1], ["0", f"{MAX_FPR:g}", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        legend = axes.legend(
            loc="lower right", title="AUC, %", alignment="right", frameon=True, fontsize=7.5, title_fontsize=7.5
        )
        legend.get_frame().set(facecolor=THEME["panel"], edgecolor="none", alpha=0.85)
        for text in (*legend.get_texts(), legend.get_title()):
            text.set_color(THEME["ink"])

    return render_figure(draw, (3.4, 3.0))
