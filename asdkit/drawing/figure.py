"""Figures as SVG and PNG, without matplotlib's global state: colours of the pages, axes, rendering."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
_SETTINGS: Any = {"svg.hashsalt": "asdkit", "svg.fonttype": "none", "font.size": 8, "text.parse_math": False}


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
