"""``asdkit run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asdkit.cli.options import MachineOption, OutOption, SetOption, SpecArgument, run_folder
from asdkit.errors import ExitCode

if TYPE_CHECKING:
    from asdkit.run import Plan, Results


def run(spec: SpecArgument, out: OutOption = None, machine: MachineOption = None, set_: SetOption = None) -> None:
    """Train and evaluate what a spec says; run again to go on where it stopped.

    Writes into the run folder: scores.csv, results.csv, results.json, <system>/anomaly_score_*.csv, and report.html.
    """
    run_spec(spec, out, machine, set_)


def run_spec(path: Path, out: Path | None, machines: list[str] | None, sets: list[str] | None) -> None:
    """Run a spec, watched live, and print the results table."""
    from asdkit.cli.progress import Progress
    from asdkit.plugins import discover
    from asdkit.run import make_plan, run_plan
    from asdkit.spec import load_spec

    registry = discover()
    spec = load_spec(path, sets=sets or (), registry=registry)
    plan = make_plan(spec, run_folder(out, spec.name), registry, machines=machines)
    with Progress(plan) as progress:
        results = run_plan(plan, progress)
    _report(plan, results)
    if results.failed:
        raise typer.Exit(int(ExitCode.PARTIAL))


def _report(plan: Plan, results: Results) -> None:
    from asdkit.cli.tables import print_table, results_table

    for note in results.notes:
        typer.echo(f"note: {note}", err=True)
    for skipped in results.skipped:
        typer.echo(f"skipped: {skipped.name}: {skipped.reason}", err=True)
    for title, message in results.failed.items():
        typer.echo(f"failed: {title}: {message}", err=True)
    header, rows = results_table(results)
    print_table(header, rows, title="AUC (pAUC), %")
    typer.echo(f"results in {plan.place.folder}", err=True)
    _write_report(plan.place.folder)


def _write_report(folder: Path) -> None:
    """Write the page; without it the results are still whole, so whatever stops it is a note."""
    try:
        from asdkit.report import write_report

        typer.echo(f"report in {write_report(folder)}", err=True)
    except Exception as error:
        typer.echo(f"note: no report could be made ({type(error).__name__}: {error})", err=True)
