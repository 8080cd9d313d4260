"""``asdkit compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import note, print_table

if TYPE_CHECKING:
    from asdkit.metrics import Interval
    from asdkit.report.compare import Difference


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder to compare with it.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare two runs on the same clips: paired differences of AUC and pAUC with 95 % intervals.

    Members and systems are matched by name. Differences whose interval excludes 0 are marked *.
    """
    from asdkit.report.compare import compare as compare_runs
    from asdkit.report.compare import not_compared
    from asdkit.report.run_data import read_run

    runs = [read_run(folder.absolute()) for folder in (first, second)]
    rows = compare_runs(*runs)
    if len({(run.record.sha256 or {}).get("data") for run in runs}) > 1:
        note("the training clips, or the content of some recordings, differ between the runs")
    for line in not_compared(*runs):
        note(f"not compared: {line}")
    if json_:
        _print_json(rows)
    else:
        _print_table(rows, first, second)


def _print_json(rows: list[Difference]) -> None:
    def values(pair: tuple[float, float], interval: Interval) -> dict[str, object]:
        first, second = pair
        limits = [interval.low, interval.high]
        return {"first": first, "second": second, "difference": second - first, "interval": limits}

    differences = [
        {
            "name": row.name,
            "kind": row.kind,
            "machine": row.machine,
            "id": row.id,
            "auc": values(row.auc, row.auc_interval),
            "pauc": values(row.pauc, row.pauc_interval),
            "shaky": row.unreliable,
        }
        for row in rows
    ]
    typer.echo(json.dumps({"level": 0.95, "differences": differences}, indent=1))


def _print_table(rows: list[Difference], first: Path, second: Path) -> None:
    table = [
        [
            row.name,
            row.machine or "all",
            row.id or "mean",
            f"{100 * row.auc[0]:.2f}",
            f"{100 * row.auc[1]:.2f}",
            _format_difference(row, row.auc, row.auc_interval),
            _format_difference(row, row.pauc, row.pauc_interval),
        ]
        for row in rows
    ]
    header = ["", "machine", "id", "AUC of first, %", "of second, %", "difference of AUC", "difference of pAUC"]
    title = f"first: {first}, second: {second}; differences: second less first, in points, with paired 95 % intervals"
    print_table(header, table, title=f"{title} (*: without 0)")
    if any(row.unreliable for row in rows):
        note("? = nearly perfect scores of few clips in both runs; the intervals may be too narrow")


def _format_difference(row: Difference, pair: tuple[float, float], interval: Interval) -> str:
    mark = "" if 0.0 in interval else " *"
    unreliable = " ?" if row.unreliable else ""
    return f"{100 * (pair[1] - pair[0]):+.2f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]{mark}{unreliable}"
