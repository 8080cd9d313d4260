"""``asdkit run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asdkit.cli.options import BackendOption, MachineOption, OutOption, SetOption, ShardOption, SpecArgument, run_folder
from asdkit.errors import ExitCode

if TYPE_CHECKING:
    from asdkit.run import Plan, Results


def run(
    spec: SpecArgument,
    out: OutOption = None,
    machine: MachineOption = None,
    set_: SetOption = None,
    backend: BackendOption = None,
    shard: ShardOption = None,
) -> None:
    """Train and evaluate what a spec says; run again to go on where it stopped.

    Writes into the run folder: scores.csv, results.csv, results.json, <system>/anomaly_score_*.csv, and report.html;
    with --shard, finished jobs alone.
    """
    sets = [*(set_ or ()), *([f"compute.backend={backend}"] if backend else ())]
    run_spec(spec, out, machine, sets, shard)


def run_spec(
    path: Path, out: Path | None, machines: list[str] | None, sets: list[str] | None, shard: str | None = None
) -> None:
    """Run a spec, or a shard of it, watched live, and print the results table."""
    from asdkit.cli.progress import Progress
    from asdkit.plugins import discover
    from asdkit.run import Shard, make_plan, require_free, run_plan, run_shard
    from asdkit.spec import load_spec

    part = Shard.parse(shard) if shard else None
    registry = discover()
    spec = load_spec(path, sets=sets or (), registry=registry)
    folder = run_folder(out, spec.name)
    require_free(folder, part)  # at once, before all recordings are looked at
    plan = make_plan(spec, folder, registry, machines=machines)
    with Progress(plan) as progress:
        if part is None:
            results = run_plan(plan, progress)
        else:
            failed = run_shard(plan, part, progress)
    if part is None:
        show_results(plan, results)
        return
    _show_failed(failed)
    typer.echo(f"shard {part} is done; join all with: asdkit merge OUT {plan.paths.folder} ...", err=True)
    if failed:
        raise typer.Exit(int(ExitCode.PARTIAL))


def show_results(plan: Plan, results: Results) -> None:
    """Write the report, print notes and the results table, and end with an exit code that says whether all is done."""
    from asdkit.cli.console import print_table, results_table
    from asdkit.cli.healthy import show_healthy

    report = _write_report(plan.paths.folder)  # before anything is printed: whoever listens may leave
    for note in results.notes:
        typer.echo(f"note: {note}", err=True)
    for skipped in results.skipped:
        typer.echo(f"skipped: {skipped.name}: {skipped.reason}", err=True)
    _show_failed(results.failed)
    if any(row.auc is not None for row in results.rows):
        header, rows = results_table(results)
        print_table(header, rows, title="AUC (pAUC), %, measured")
    else:
        show_healthy(plan.paths.folder)
    typer.echo(f"results in {plan.paths.folder}", err=True)
    typer.echo(report, err=True)
    if results.failed:
        raise typer.Exit(int(ExitCode.PARTIAL))


def _show_failed(failed: dict[str, str]) -> None:
    for title, message in failed.items():
        typer.echo(f"failed: {title}: {message}", err=True)


def _write_report(folder: Path) -> str:
    """Write the page; without it the results are still whole, so whatever stops it is a note."""
    try:
        from asdkit.report import write_report

        return f"report in {write_report(folder)}"
    except Exception as error:
        return f"note: no report could be made ({type(error).__name__}: {error})"
