"""The report of a finished run: ``report.html`` and ``plots/``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asdkit.bundle.calibration import percent
from asdkit.bundle.explained_page import article_values
from asdkit.drawing.figure import Drawing
from asdkit.drawing.page import fill, inline
from asdkit.files import write_atomic
from asdkit.metrics import IdResult, Mean
from asdkit.metrics.rules import auc_and_pauc
from asdkit.report.cautions import cautions, list_ids, thresholds
from asdkit.report.clip_sections import ClipSection, clip_sections
from asdkit.report.plots import MAX_CURVES, Plot, draw_plot, plan_plots, write_plots
from asdkit.report.rankings import agreement, disagreements, ranked_lists
from asdkit.report.run_data import Run, read_run
from asdkit.run.records import SystemRecord
from asdkit.run.store import RunPaths
from asdkit.version import __version__

DASH = "–"  # noqa: RUF001  a cell without a figure
_MAX_COLUMNS = 12  # of figures; a table with more is transposed


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``plots/`` of a finished run into its folder.

    Parameters
    ----------
    folder
        The run folder.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        If the folder holds no finished run.
    OSError
        If the report cannot be written. An older report is removed first, since it may show other results.
    """
    run = read_run(folder)
    paths = RunPaths(folder)
    paths.report.unlink(missing_ok=True)
    if paths.plots.is_symlink():
        paths.plots.unlink()
    elif paths.plots.exists():
        shutil.rmtree(paths.plots)
    plots, plots_left_out = plan_plots(run)
    drawings = {plot: draw_plot(run, plot) for plot in plots}
    sections, clips_left_out = clip_sections(run)
    drawings |= {plot: drawing for section in sections for plot, drawing in section.drawings.items()}
    text = render(run, drawings, sections, [*_plots_left_out(plots_left_out), *clips_left_out])
    with tempfile.TemporaryDirectory(prefix=".plots.", dir=folder) as temporary:
        write_plots(Path(temporary) / paths.plots.name, drawings)
        if drawings:
            os.replace(Path(temporary) / paths.plots.name, paths.plots)
    write_atomic(paths.report, text.encode("utf-8", "backslashreplace"))
    return paths.report


def _plots_left_out(plots: Sequence[Plot]) -> list[str]:
    lines = []
    for name in dict.fromkeys(p.name for p in plots):
        ids: dict[str, list[str]] = {}
        for plot in plots:
            if plot.name == name:
                ids.setdefault(plot.machine, []).append(plot.id)
        what = "ROC curves" if name is None else f"score histograms of {name}"
        lines.append(f"{what}, to keep the page small: {list_ids(ids)} (the scores are in scores.csv)")
    return lines


def render(
    run: Run, drawings: Mapping[Plot, Drawing], sections: Sequence[ClipSection] = (), left_out: Sequence[str] = ()
) -> str:
    """Fill the template of the page.

    Parameters
    ----------
    run
        The run.
    drawings
        All drawings of the page, those of the sections included.
    sections
        Explained clips.
    left_out
        What the page does not show, a line each.
    """
    drawn = {plot: inline(drawing, f"d{i}") for i, (plot, drawing) in enumerate(drawings.items())}
    return fill(
        "report.html",
        run=run,
        version=__version__,
        labelled=any(r.auc is not None for r in run.results),
        overview=_overview_table(run),
        cautions=cautions(run, left_out),
        machines=[_machine(run, machine, sections, drawn) for machine in sorted(run.tables)],
        counts={split: sum(t.count(None, split) for t in run.tables.values()) for split in ("train", "held", "test")},
        asked=f"{percent(run.rule.false_alarm_rate)} of healthy clips",
        percent=percent,
        n_ids=sum(len(run.ids(m)) for m in run.tables),
        dash=DASH,
    )


def _machine(run: Run, machine: str, sections: Sequence[ClipSection], drawn: Mapping[Plot, Any]) -> dict[str, Any]:
    """Return what the template shows of one machine; `drawn` are the drawings as SVG."""
    table, ids = run.tables[machine], run.ids(machine)
    names = run.drawn(machine)
    members, correlations = agreement(run, machine)
    groups = (
        ("normal", "normal", table.count(None, "test", 0)),
        ("anomaly", "anomaly", table.count(None, "test", 1)),
        ("unknown", "no label", table.count(None, "test", None)),
        ("held", "held out of training", table.count(None, "held")),
        ("training", "training (seen in fitting)", table.count(None, "train")),
    )
    return {
        "name": machine,
        "table": _id_table(run, machine),
        "roc": [{"title": f"id {i}", "svg": drawn[Plot(machine, i)]} for i in ids if Plot(machine, i) in drawn],
        "curves_left_out": names[MAX_CURVES:],
        "scores": [_scores(run, machine, name, drawn) for name in names],
        "groups": [(key, text) for key, text, count in groups if count],
        "explained": [_explained(s, drawn) for s in sections if s.clip.chosen.machine == machine],
        "members": members,
        "agreement": correlations,
        "agree": any(value is not None for i, row in enumerate(correlations) for value in row[:i]),
        "disagreements": disagreements(run, machine),
    }


def _scores(run: Run, machine: str, name: str, drawn: Mapping[Plot, Any]) -> dict[str, Any]:
    """Return what the template shows of one name's scores: histograms, thresholds, and ranked clips."""
    table = run.tables[machine]
    mean = next((m for m in run.means if (m.machine, m.name) == (machine, name)), None)
    return {
        "name": name,
        "composition": _composition(run.systems.get(name)),
        "figures": auc_and_pauc(mean, DASH),
        "panels": [
            {"title": f"id {i}", "svg": drawn[Plot(machine, i, name)]}
            for i in run.ids(machine)
            if Plot(machine, i, name) in drawn
        ],
        "lists": ranked_lists(table, name),
        "thresholds": thresholds(run, machine, name) if any(table.references.get(name, {})) else [],
    }


def _explained(section: ClipSection, drawn: Mapping[Plot, Any]) -> dict[str, Any]:
    """Return what the template shows of one explained clip."""
    clip, chosen = section.clip, section.clip.chosen
    values = article_values(
        section.article,
        [drawn[plot] for plot in section.drawings],
        title=chosen.ranked.clip,
        reason=chosen.reason,
        score=chosen.ranked.score,
        p_value=clip.p_value,
    )
    return {**values, "name": chosen.name}


def _overview_table(run: Run) -> dict[str, Any]:
    """Return the results table: a row for each name, a column for each machine, and their mean."""
    cells = {(m.name, m.machine): m for m in run.means}
    columns = [*sorted(run.tables), None]
    return _table([(machine, "") for machine in sorted(run.tables)], _rows(run, columns, cells))


def _id_table(run: Run, machine: str) -> dict[str, Any]:
    """Return the table of one machine: a row for each name, a column for each id (and domain), and their mean."""
    rows = [r for r in run.results if r.machine == machine]
    keys: list[Any] = sorted({(r.id, r.domain or "") for r in rows})
    counts = {(r.id, r.domain or ""): (r.n_normal, r.n_anomaly) for r in rows}
    cells: dict[tuple[str, Any], Any] = {(r.name, (r.id, r.domain or "")): r for r in rows}
    cells |= {(m.name, None): m for m in run.means if m.machine == machine}
    header = []
    for id_, domain in keys:
        normal, anomaly = counts[id_, domain]
        header.append((f"id {id_} {domain}".strip(), f"{normal} normal, {anomaly} anomalous"))
    return _table(header, _rows(run, [*keys, None], cells))


def _table(header: Sequence[tuple[str, str]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a table with a column for each title of `header`, and the mean; transposed if it has many columns."""
    columns = [*header, ("mean", "")]
    if len(header) <= _MAX_COLUMNS:
        return {"header": columns, "rows": rows, "empty": not header}
    transposed = [
        {
            "name": title,
            "kind": "member" if index < len(header) else "system",
            "small": small,
            "cells": [row["cells"][index] for row in rows],
        }
        for index, (title, small) in enumerate(columns)
    ]
    return {"header": [(row["name"], row["small"]) for row in rows], "rows": transposed, "empty": False}


def _rows(run: Run, columns: Sequence[Any], cells: Mapping[tuple[str, Any], IdResult | Mean]) -> list[dict[str, Any]]:
    """Return a row for each member and system, with the highest AUC of each column marked."""
    best = {}
    for column in columns:
        known = [c for (_, where), c in cells.items() if where == column and c.auc is not None]
        most = max((_count(c) for c in known), default=0)  # a mean over fewer machines is not comparable
        best[column] = max((c.auc for c in known if c.auc is not None and _count(c) == most), default=None)
    return [
        {
            "name": name,
            "kind": "system" if name in run.systems else "member",
            "small": _composition(run.systems.get(name)) or "member",
            "cells": [
                {
                    "text": auc_and_pauc(cells.get((name, c)), DASH),
                    "best": best[c] is not None and getattr(cells.get((name, c)), "auc", None) == best[c],
                }
                for c in columns
            ],
        }
        for name in (*run.members, *run.systems)
    ]


def _count(cell: IdResult | Mean) -> int:
    """Return how many figures a mean averages; 0 for the figures of one id."""
    return cell.of if isinstance(cell, Mean) else 0


def _composition(system: SystemRecord | None) -> str:
    """Return the members of a system and its fuser in a few words."""
    if system is None:
        return ""
    members, fuser = " + ".join(system.members), system.fuser
    if fuser is None:
        return members
    return f"{members}, {' '.join(str(fuser[k]) for k in ('use', 'combine') if k in fuser)}"
