"""The drawings: ROC curves and score histograms, on matplotlib's figures without its global state.

Which drawings a report has, and where each lies as a file.
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_CURVES = 6
_BINS = 24

# Okabe and Ito's colours, which people with any colour vision tell apart; on the page each is a variable of its style
# sheet, which has them again for dark screens.
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
_OUTLINES = {"training": (0, (2.5, 1.2)), "held": "solid"}  # drawn without a filling
_SETTINGS: Any = {"svg.hashsalt": "asdkit", "svg.fonttype": "none", "font.size": 8, "text.parse_math": False}


@dataclass(frozen=True)
class Curve:
    """One ROC curve: whose, its place among the names of the run (which sets its colour), labels, scores."""

    name: str
    place: int
    auc: float
    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawing:
    """A drawing as files: SVG and PNG on white."""

    svg: bytes
    png: bytes

    def inline(self, key: str) -> str:
        """SVG for the page: colours are the style sheet's, ids begin with `key`, no namespaces, no font names."""
        from xml.etree import ElementTree

        root = ElementTree.fromstring(self.svg)  # noqa: S314  our own bytes
        svg = "{http://www.w3.org/2000/svg}"
        for parent in list(root.iter()):
            for child in list(parent):
                if not child.tag.startswith(svg) or child.tag in (f"{svg}metadata", f"{svg}style"):
                    parent.remove(child)
        for element in root.iter():
            element.tag = element.tag.removeprefix(svg)
            given = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
            if element.tag == "g":
                given.pop("id", None)  # matplotlib numbers its groups; nothing refers to them
            element.attrib = {name: _for_page(name, value, key) for name, value in given.items()}
        root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
        return ElementTree.tostring(root, encoding="unicode")


def _for_page(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name in ("href", "clip-path"):
        return value.replace("#", f"#{key}-")
    if name == "style":
        value = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
        return re.sub(r"#[0-9a-f]{6}\b", lambda m: _VARIABLES.get(m[0], m[0]), value)
    return value


def draw_roc(curves: Sequence[Curve]) -> Drawing:
    """ROC curves with the zone of the pAUC; `MAX_CURVES` at most."""

    def draw(figure: Figure) -> None:
        axes = axes_in(figure, left=0.42, bottom=0.42)
        axes.axvspan(0, MAX_FPR, color=THEME["zone"], linewidth=0, zorder=0)
        axes.text(MAX_FPR / 2, 1.012, "pAUC", color=THEME["muted"], ha="center", va="bottom", fontsize=7)
        axes.plot([0, 1], [0, 1], color=THEME["grid"], linewidth=1, zorder=1)
        for curve in curves[:MAX_CURVES]:
            false, true = roc_curve(curve.labels, curve.scores)
            axes.plot(
                false,
                true,
                color=THEME[f"curve-{curve.place % MAX_CURVES + 1}"],
                linestyle=_DASHES[curve.place % MAX_CURVES],
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

    return made_by(draw, (3.4, 3.0))


def draw_histogram(groups: dict[str, npt.NDArray[np.float64]]) -> Drawing:
    """Histogram of clip scores, each group as shares of its own clips.

    Parameters
    ----------
    groups
        Scores [float64, ``[clips]``] by ``"training"``, ``"held"``, ``"normal"``, ``"anomaly"``, ``"unknown"``; empty
        ones are passed over.
    """
    given = {name: scores for name, scores in groups.items() if len(scores)}
    edges, beyond = _edges(given)

    def draw(figure: Figure) -> None:
        axes = axes_in(figure, left=0.47, bottom=0.42)
        for name, scores in given.items():
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

    return made_by(draw, (3.4, 2.1))


def _edges(groups: dict[str, npt.NDArray[np.float64]]) -> tuple[npt.NDArray[np.float64], int]:
    """Edges of the bins, and how many scores lie so far out that they go into the last one.

    Anomalies may score hundreds of times more than all else, which would press the rest into one bar: bins end four
    ranges of the other clips above those.
    """
    every = np.concatenate(list(groups.values()))
    healthy = [scores for name, scores in groups.items() if name in ("training", "held", "normal")]
    low, high = float(every.min()), float(every.max())
    if healthy:
        known = np.concatenate(healthy)
        high = min(high, float(known.max() + 4 * (known.max() - known.min())) if len(known) > 1 else high)
    if not high > low:
        pad = max(abs(low) * 0.01, 1e-6)
        low, high = low - pad, high + pad
    return np.linspace(low, high, _BINS + 1), int((every > high).sum())


def axes_in(figure: Figure, *, left: float, bottom: float) -> Axes:
    """Axes with these margins in inches: fixed ones, so that drawings beside each other line up."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + 0.1) / width, 1 - (bottom + 0.2) / height))
    style(axes)
    axes.set_axisbelow(True)
    return axes


def style(axes: Axes) -> None:
    """Give axes the colours and lines that all drawings have."""
    axes.set_facecolor(THEME["panel"])
    axes.tick_params(colors=THEME["muted"], labelsize=7.5, length=2.5, width=0.7)
    axes.xaxis.label.set_color(THEME["muted"])
    axes.yaxis.label.set_color(THEME["muted"])
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=THEME["muted"], linewidth=0.7)


def made_by(draw: Callable[[Figure], None], size: tuple[float, float]) -> Drawing:
    """Let `draw` fill a figure of some size [inches], and keep it as files."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    svg, png = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the person's own settings are
        matplotlib.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the page uses the reader's fonts
        figure = Figure(figsize=size, facecolor=THEME["panel"])
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    return Drawing(svg.getvalue(), png.getvalue())


MAX_DRAWINGS = 120
"""A page of so many has about 1.5 MB."""

_GROUPS: Mapping[str, tuple[str, tuple[int | None, ...]]] = {
    "training": ("train", ()),
    "held": ("held", ()),
    "normal": ("test", (0,)),
    "anomaly": ("test", (1,)),
    "unknown": ("test", (None,)),
}


@dataclass(frozen=True)
class Plot:
    """What one drawing shows.

    Score histograms of one name on one machine id; without a name the ROC curves of all; with a clip that clip, and
    with `nearest` its worst place beside the nearest healthy excerpt.
    """

    machine: str
    id: str
    name: str | None = None
    clip: str | None = None
    nearest: bool = False

    @property
    def path(self) -> PurePosixPath:
        """Where it lies below the folder of plots, without a suffix."""
        if self.clip is not None:
            kind = "nearest" if self.nearest else "clip"
            return PurePosixPath(_file_name(self.machine), f"{kind}_{_file_name(PurePosixPath(self.clip).stem)}")
        kind = "roc" if self.name is None else f"scores_{_file_name(self.name)}"
        return PurePosixPath(_file_name(self.machine), f"{kind}_id_{_file_name(self.id)}")


def plan_plots(run: Run) -> tuple[list[Plot], list[Plot]]:
    """List the drawings that are made, and those left out to keep the page small.

    Each id in turn has its ROC curves and the first name's histogram; then come the other names, as in the spec.
    """
    ids = [(machine, id_) for machine in sorted(run.tables) for id_ in run.ids(machine)]
    wanted = []
    for machine, id_ in ids:
        wanted += [Plot(machine, id_)] if roc_curves(run, machine, id_) else []
        wanted += [Plot(machine, id_, name) for name in _drawn_in_order(run, machine)[:1]]
    for name in (*run.systems, *run.members):
        wanted += [Plot(machine, id_, name) for machine, id_ in ids if name in _drawn_in_order(run, machine)[1:]]
    return wanted[:MAX_DRAWINGS], wanted[MAX_DRAWINGS:]


def draw(run: Run, plot: Plot) -> Drawing:
    """Make one drawing."""
    if plot.name is None:
        return draw_roc(roc_curves(run, plot.machine, plot.id))
    table = run.tables[plot.machine]
    scores = table.columns[plot.name]
    return draw_histogram(
        {group: scores[table.where(plot.id, split, *labels)] for group, (split, labels) in _GROUPS.items()}
    )


def roc_curves(run: Run, machine: str, id_: str) -> list[Curve]:
    """Find the curves of one machine id: none where its test clips are not of both classes."""
    table = run.tables[machine]
    chosen = table.where(id_, "test", 0, 1)
    labels = np.array([x for x, c in zip(table.labels, chosen, strict=True) if c], dtype=np.int64)
    areas = {
        r.name: r.auc for r in run.results if (r.machine, r.id, r.domain) == (machine, id_, None) and r.auc is not None
    }
    return [
        Curve(name, place, areas[name], labels, table.columns[name][chosen])
        for place, name in enumerate(_drawn_in_order(run, machine)[:MAX_CURVES])
        if name in areas
    ]


def _drawn_in_order(run: Run, machine: str) -> list[str]:
    names = run.drawn(machine)
    return [n for n in (*run.systems, *run.members) if n in names]


def write_plots(folder: Path, drawings: Mapping[Plot, Drawing]) -> None:
    """Write each drawing as SVG and PNG below `folder`."""
    for plot, drawing in drawings.items():
        path = folder / plot.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.svg").write_bytes(drawing.svg)
        path.with_name(f"{path.name}.png").write_bytes(drawing.png)


def _file_name(text: str) -> str:
    """`text` as part of a file's name: the same for plain names, else plain and still unlike any other's."""
    plain = re.sub(r"[^0-9A-Za-z_-]", "_", text)[:60]
    if plain == text:
        return text
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
