"""ROC curves and score histograms as SVG and PNG: which plots a report has, and how each is drawn.

matplotlib's figures are used without its global state.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.metrics import MAX_FPR, roc_curve
from asdkit.report.run_data import Run
from asdkit.run.score_table import RunSplit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DoubleArray = npt.NDArray[np.float64]

MAX_DRAWINGS = 120
"""Drawings on a page; so many take about 1.5 MB."""

MAX_CURVES = 6
"""ROC curves in one plot."""

_BINS = 24

# The colours of Okabe and Ito, which people with any colour vision can distinguish. On the page each is a CSS variable,
# with a second value for dark screens.
THEME = {
    "ink": "#1b2530",
    "muted": "#5b6876",
    "grid": "#e3e7ec",
    "panel": "#ffffff",
    "zone": "#fbf0cf",
    "normal": "#0072b2",
    "anomaly": "#d55e00",
    "unknown": "#aa4499",
    "training": "#75808c",
    "held": "#00795c",
    "curve-1": "#009e73",
    "curve-2": "#cc79a7",
    "curve-3": "#e69f00",
    "curve-4": "#56b4e9",
    "curve-5": "#882255",
    "curve-6": "#1b2531",
}
_VARIABLES = {colour: f"var(--{name})" for name, colour in THEME.items()}
_DASHES: list[str | tuple[float, tuple[float, ...]]] = [
    "solid",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    (0, (8, 2)),
]
_OUTLINES = {"training": (0, (2.5, 1.2)), "held": "solid"}  # groups drawn without a filling
_SETTINGS: Any = {"svg.hashsalt": "asdkit", "svg.fonttype": "none", "font.size": 8, "text.parse_math": False}

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
            return PurePosixPath(_file_name(self.machine), f"{kind}_{_file_name(PurePosixPath(self.clip).stem)}")
        kind = "roc" if self.name is None else f"scores_{_file_name(self.name)}"
        return PurePosixPath(_file_name(self.machine), f"{kind}_id_{_file_name(self.id)}")


@dataclass(frozen=True)
class Drawing:
    """A drawing as SVG and PNG on white."""

    svg: bytes
    png: bytes

    def inline(self, key: str) -> str:
        """Return the SVG for the page: CSS variables as colours, ids prefixed by `key`, no namespaces or font names."""
        from xml.etree import ElementTree

        root = ElementTree.fromstring(self.svg)  # noqa: S314  our own bytes
        namespace = "{http://www.w3.org/2000/svg}"
        for parent in list(root.iter()):
            for child in list(parent):
                if not child.tag.startswith(namespace) or child.tag in (f"{namespace}metadata", f"{namespace}style"):
                    parent.remove(child)
        for element in root.iter():
            element.tag = element.tag.removeprefix(namespace)
            attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
            if element.tag == "g":
                attributes.pop("id", None)  # matplotlib numbers its groups; nothing refers to them
            element.attrib = {name: _inline_attribute(name, value, key) for name, value in attributes.items()}
        root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
        return ElementTree.tostring(root, encoding="unicode")


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


def draw_histogram(groups: dict[str, DoubleArray]) -> Drawing:
    """Draw a histogram of clip scores, each group as shares of its own clips.

    Parameters
    ----------
    groups
        Scores [float64, ``[clips]``] by ``"training"``, ``"held"``, ``"normal"``, ``"anomaly"``, ``"unknown"``; empty
        groups are left out.
    """
    filled = {name: scores for name, scores in groups.items() if len(scores)}
    edges, beyond = _edges(filled)

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
        axes.set(xlim=(edges[0], edges[-1]), xlabel="score", ylabel="share of clips, %")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=THEME["grid"], linewidth=0.7)
        axes.locator_params(nbins=5)
        if beyond:
            text = f"last bar: {beyond} beyond"
            axes.text(1, 1.02, text, transform=axes.transAxes, ha="right", color=THEME["muted"], fontsize=7)

    return render_figure(draw, (3.4, 2.1))


def _edges(groups: dict[str, DoubleArray]) -> tuple[DoubleArray, int]:
    """Return the edges of the bins, and the number of scores above them, which are counted in the last bin.

    Anomalies may score hundreds of times higher than all other clips and would compress those into one bar. So the
    last bin ends at most four times the range of the healthy scores above the highest healthy score.
    """
    scores = np.concatenate(list(groups.values()))
    healthy = [values for name, values in groups.items() if name in ("training", "held", "normal")]
    low, high = float(scores.min()), float(scores.max())
    if healthy:
        known = np.concatenate(healthy)
        high = min(high, float(known.max() + 4 * (known.max() - known.min())) if len(known) > 1 else high)
    if not high > low:
        pad = max(abs(low) * 0.01, 1e-6)
        low, high = low - pad, high + pad
    return np.linspace(low, high, _BINS + 1), int((scores > high).sum())


def add_axes(figure: Figure, *, left: float, bottom: float) -> Axes:
    """Add axes with fixed margins [inches], so that drawings side by side line up."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + 0.1) / width, 1 - (bottom + 0.2) / height))
    style_axes(axes)
    axes.set_axisbelow(True)
    return axes


def style_axes(axes: Axes) -> None:
    """Set the colours and lines common to all drawings."""
    axes.set_facecolor(THEME["panel"])
    axes.tick_params(colors=THEME["muted"], labelsize=7.5, length=2.5, width=0.7)
    axes.xaxis.label.set_color(THEME["muted"])
    axes.yaxis.label.set_color(THEME["muted"])
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=THEME["muted"], linewidth=0.7)


def render_figure(draw: Callable[[Figure], None], size: tuple[float, float]) -> Drawing:
    """Call `draw` with an empty figure of this size [inches], and return it as SVG and PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    svg, png = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # ignore the user's settings
        matplotlib.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the page uses the reader's fonts
        figure = Figure(figsize=size, facecolor=THEME["panel"])
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    return Drawing(svg.getvalue(), png.getvalue())


def _inline_attribute(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name in ("href", "clip-path"):
        return value.replace("#", f"#{key}-")
    if name == "style":
        value = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
        return re.sub(r"#[0-9a-f]{6}\b", lambda m: _VARIABLES.get(m[0], m[0]), value)
    return value


def _file_name(text: str) -> str:
    """Return `text` as a file name: unchanged if it is plain, else plain characters and a digest."""
    plain = re.sub(r"[^0-9A-Za-z_-]", "_", text)[:60]
    if plain == text:
        return text
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
