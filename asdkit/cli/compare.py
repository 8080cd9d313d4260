"""``asdkit compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asdkit.metrics import Interval
    from asdkit.report.compare import Difference


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The run that is held against it.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare two runs on the same clips: differences of AUC and pAUC, paired, with 95 % intervals.

    Members and systems are matched by name. Without 0 in its interval a difference is hardly chance (marked *).
    """
    from asdkit.report.compare import compare as compare_runs
    from asdkit.report.compare import not_compared
    from asdkit.report.run_data import read_run

    runs = [read_run(folder.absolute()) for folder in (first, second)]
    rows = compare_runs(*runs)
    if len({(run.about["sha256"] or {}).get("data") for run in runs}) > 1:
        typer.echo("note: training clips, or the content of some recordings, are not the same in both", err=True)
    for line in not_compared(*runs):
        typer.echo(f"note: not compared: {line}", err=True)
    if json_:
        _print_json(rows)
    else:
        _print_table(rows, first, second)


def _print_json(rows: list[Difference]) -> None:
    import json

    def figures(pair: tuple[float, float], interval: Interval) -> dict[str, object]:
        return {"first": pair[0], "second": pair[1], "difference": pair[1] - pair[0], "interval": _pair(interval)}

    found = [
        {
            "name": row.name,
            "kind": row.kind,
            "machine": row.machine,
            "id": row.id,
            "auc": figures(row.auc, row.auc_interval),
            "pauc": figures(row.pauc, row.pauc_interval),
            "shaky": row.unreliable,
        }
        for row in rows
    ]
    typer.echo(json.dumps({"level": 0.95, "differences": found}, indent=1))


def _pair(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _print_table(rows: list[Difference], first: Path, second: Path) -> None:
    from asdkit.cli.console import print_table

    table = [
        [
            row.name,
            row.machine or "all",
            row.id or "mean",
            f"{100 * row.auc[0]:.2f}",
            f"{100 * row.auc[1]:.2f}",
            _shown(row, row.auc, row.auc_interval),
            _shown(row, row.pauc, row.pauc_interval),
        ]
        for row in rows
    ]
    header = ["", "machine", "id", "AUC of first, %", "of second, %", "difference of AUC", "difference of pAUC"]
    title = f"first: {first}, second: {second}; differences: second less first, in points, with paired 95 % intervals"
    print_table(header, table, title=f"{title} (*: without 0)")
    if any(row.unreliable for row in rows):
        typer.echo("note: ? = nearly perfect scores of few clips in both; the intervals may be too narrow", err=True)


def _shown(row: Difference, pair: tuple[float, float], interval: Interval) -> str:
    mark = "" if 0.0 in interval else " *"
    unreliable = " ?" if row.unreliable else ""
    return f"{100 * (pair[1] - pair[0]):+.2f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]{mark}{unreliable}"
