"""Which drawings a report has, and where each lies as a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from asdkit.report.drawing import MAX_CURVES, Curve, Drawing, draw_histogram, draw_roc
from asdkit.report.reading import Run

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
        r["name"]: r["auc"]
        for r in run.results
        if (r["machine"], r["id"], r.get("domain")) == (machine, id_, None) and r["auc"] is not None
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
