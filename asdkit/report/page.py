"""From a run and its drawings to the page's text.

Write the report of a finished run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from asdkit.bundle.calibration import percent
from asdkit.files import write_atomic
from asdkit.metrics import IdResult, Mean
from asdkit.report.cautions import cautions, named, thresholds
from asdkit.report.clip_plots import told
from asdkit.report.clip_sections import ExplainedClip
from asdkit.report.plots import MAX_CURVES, Drawing, Plot, draw, plan_plots, write_plots
from asdkit.report.rankings import agreement, disagreements, worth_hearing
from asdkit.report.run_data import Run, read_run
from asdkit.run.records import SystemRecord
from asdkit.version import __version__

DASH = "–"  # noqa: RUF001  what a table shows for no figure
_COLUMNS = 12  # of figures in a table; of more its columns become rows


def render(
    run: Run,
    drawings: Mapping[Plot, Drawing],
    left_out: Sequence[Plot],
    closer: Sequence[ExplainedClip] = (),
    not_explained: Sequence[str] = (),
) -> str:
    """Fill the template.

    Parameters
    ----------
    run
        The run.
    drawings
        The drawings that the page has.
    left_out
        Those it could have had; the page says so.
    closer, not_explained
        Clips looked at closely, and why others were not.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    every = {**drawings, **{plot: drawing for clip in closer for plot, drawing in clip.drawings.items()}}
    inline = {plot: Markup(d.inline(f"d{i}")) for i, (plot, d) in enumerate(every.items())}  # noqa: S704  escaped
    templates = files("asdkit.report") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (templates / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    machines = [
        _machine(run, machine, inline) | {"closer": [_closer(c, inline) for c in closer if _is_of(c, machine)]}
        for machine in sorted(run.tables)
    ]
    return environment.get_template("report.html").render(
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),  # noqa: S704  ours
        run=run,
        version=__version__,
        labelled=any(r.auc is not None for r in run.results),
        overview=_overview(run),
        cautions=cautions(run, [*_left_out(run, left_out), *not_explained]),
        machines=machines,
        counts={split: sum(t.count(None, split) for t in run.tables.values()) for split in ("train", "held", "test")},
        asked=f"{percent(run.rule.false_alarm_rate)} of healthy clips",
        percent=percent,
        n_ids=sum(len(run.ids(m)) for m in run.tables),
        dash=DASH,
    )


def figures(row: IdResult | Mean | None) -> str:
    """``AUC (pAUC)`` in per cent, as the results table of ``asdkit run`` has it."""
    if row is None or row.auc is None or row.pauc is None:
        return DASH
    return f"{100 * row.auc:.2f} ({100 * row.pauc:.2f})"


def _overview(run: Run) -> dict[str, Any]:
    """Give the results table: a row for each name, a column for each machine, and their mean."""
    cells = {(m.name, m.machine): m for m in run.means}
    columns = [*sorted(run.tables), None]
    return _table([(machine, "") for machine in sorted(run.tables)], _rows(run, columns, cells))


def _by_id(run: Run, machine: str) -> dict[str, Any]:
    """Give the table of one machine: a column for each id (and domain), and their mean."""
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
    """Give a table of figures: a column for each title of `header`, and the mean; turned where these are many."""
    columns = [*header, ("mean", "")]
    if len(header) <= _COLUMNS:
        return {"header": columns, "rows": rows, "empty": not header}
    turned = [
        {
            "name": title,
            "kind": "member" if place < len(header) else "system",
            "small": small,
            "cells": [row["cells"][place] for row in rows],
        }
        for place, (title, small) in enumerate(columns)
    ]
    return {"header": [(row["name"], row["small"]) for row in rows], "rows": turned, "empty": False}


def _rows(run: Run, columns: Sequence[Any], cells: Mapping[tuple[str, Any], Any]) -> list[dict[str, Any]]:
    best = {}
    for column in columns:
        known = [c for (_, where), c in cells.items() if where == column and c.auc is not None]
        most = max((_averaged(c) for c in known), default=0)  # means over fewer compare with none
        best[column] = max((c.auc for c in known if _averaged(c) == most), default=None)
    return [
        {
            "name": name,
            "kind": "system" if name in run.systems else "member",
            "small": _recipe(run.systems.get(name)) or "member",
            "cells": [
                {
                    "text": figures(cells.get((name, c))),
                    "best": best[c] is not None and getattr(cells.get((name, c)), "auc", None) == best[c],
                }
                for c in columns
            ],
        }
        for name in (*run.members, *run.systems)
    ]


def _averaged(cell: IdResult | Mean) -> int:
    """Count what a mean is over; 0 for the figures of one id."""
    return cell.of if isinstance(cell, Mean) else 0


def _recipe(system: SystemRecord | None) -> str:
    """Say in a few words what a system is made of."""
    if system is None:
        return ""
    members, fuser = " + ".join(system.members), system.fuser
    if fuser is None:
        return members
    return f"{members}, {' '.join(str(fuser[k]) for k in ('use', 'combine') if k in fuser)}"


def _machine(run: Run, machine: str, inline: Mapping[Plot, Any]) -> dict[str, Any]:
    table, ids = run.tables[machine], run.ids(machine)
    names = run.drawn(machine)
    members, correlations = agreement(run, machine)
    return {
        "name": machine,
        "table": _by_id(run, machine),
        "counts": [
            (i, table.count(i, "train"), *(table.count(i, "test", label) for label in (0, 1, None))) for i in ids
        ],
        "roc": [{"title": f"id {i}", "svg": inline[Plot(machine, i)]} for i in ids if Plot(machine, i) in inline],
        "curves_left_out": names[MAX_CURVES:],
        "scores": [
            {
                "name": name,
                "recipe": _recipe(run.systems.get(name)),
                "figures": figures(_mean(run, machine, name)),
                "panels": [
                    {"title": f"id {i}", "svg": inline[Plot(machine, i, name)]}
                    for i in ids
                    if Plot(machine, i, name) in inline
                ],
                "clips": worth_hearing(table, name),
                "thresholds": thresholds(run, machine, name) if any(table.references.get(name, {})) else [],
            }
            for name in names
        ],
        "groups": [
            (key, text)
            for key, text, found in (
                ("normal", "normal", table.count(None, "test", 0)),
                ("anomaly", "anomaly", table.count(None, "test", 1)),
                ("unknown", "no label", table.count(None, "test", None)),
                ("held", "held out of training", table.count(None, "held")),
                ("training", "training (seen in fitting)", table.count(None, "train")),
            )
            if found
        ],
        "members": members,
        "agreement": correlations,
        "agree": any(value is not None for i, row in enumerate(correlations) for value in row[:i]),
        "disagreements": disagreements(run, machine),
    }


def _is_of(closer: ExplainedClip, machine: str) -> bool:
    return closer.explained.chosen.machine == machine


def _closer(closer: ExplainedClip, inline: Mapping[Plot, Any]) -> dict[str, Any]:
    clip = closer.explained
    pictures = [inline[plot] for plot in closer.drawings]
    return {
        "clip": clip.chosen.heard.clip,
        "id": clip.chosen.heard.id,
        "name": clip.chosen.name,
        "why": clip.chosen.why,
        "score": clip.chosen.heard.score,
        "p_value": _p_value(clip.p_value, clip.supported_rate),
        "worst": None if clip.heat is None and clip.heard is None else clip.worst,
        "around": None if clip.worst_frequency is None else told(clip.worst_frequency),
        "has_heat": clip.heat is not None,
        "remark": clip.remark,
        "picture": pictures[0],
        "beside": pictures[1] if clip.nearest is not None else None,
        "nearest": clip.nearest,
        "sound": closer.sound,
        "cut": closer.cut,
    }


def _p_value(p_value: float | None, supported: float | None) -> str:
    """Say no less than the clips held out can tell."""
    if p_value is None or supported is None:
        return ""
    if p_value <= supported:
        return f"p-value at most {supported:.2g}, the least that the clips held out can tell"
    return f"p-value {p_value:.2g}"


def _mean(run: Run, machine: str, name: str) -> Mean | None:
    return next((m for m in run.means if (m.machine, m.name) == (machine, name)), None)


def _left_out(run: Run, plots: Sequence[Plot]) -> list[str]:
    lines = []
    for name in dict.fromkeys(p.name for p in plots):
        ids: dict[str, list[str]] = {}
        for plot in plots:
            if plot.name == name:
                ids.setdefault(plot.machine, []).append(plot.id)
        what = "ROC curves" if name is None else f"score histograms of {name}"
        lines.append(f"{what}, to keep the page small: {named(ids)} (the scores are in scores.csv)")
    return lines


PAGE = "report.html"
PLOTS = "plots"


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
        If the report cannot be written; an older one is gone then, for it would tell of other results.
    """
    from asdkit.report.clip_sections import look_closer

    run = read_run(folder)
    page = folder / PAGE
    page.unlink(missing_ok=True)
    if (folder / PLOTS).is_symlink():
        (folder / PLOTS).unlink()
    elif (folder / PLOTS).exists():
        shutil.rmtree(folder / PLOTS)
    shown, left_out = plan_plots(run)
    drawings: dict[Plot, Drawing] = {plot: draw(run, plot) for plot in shown}
    closer, not_explained = look_closer(run)
    text = render(run, drawings, left_out, closer, not_explained)
    drawings |= {plot: drawing for clip in closer for plot, drawing in clip.drawings.items()}
    with tempfile.TemporaryDirectory(prefix=".plots.", dir=folder) as temporary:
        write_plots(Path(temporary) / PLOTS, drawings)
        if drawings:
            os.replace(Path(temporary) / PLOTS, folder / PLOTS)
    write_atomic(page, text.encode("utf-8", "backslashreplace"))
    return page
