"""``asdkit run``, and the results that run, demo and merge print."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asdkit.cli.console import DASH, message, note, print_table
from asdkit.cli.options import BackendOption, MachineOption, OutOption, SetOption, ShardOption, SpecArgument, run_folder
from asdkit.errors import ExitCode
from asdkit.text import error_line
from asdkit.worker_process import run_restarted

if TYPE_CHECKING:
    from asdkit.report.run_data import Run
    from asdkit.run import Plan, Results


def run(
    spec: SpecArgument,
    out: OutOption = None,
    machine: MachineOption = None,
    set_: SetOption = None,
    backend: BackendOption = None,
    shard: ShardOption = None,
) -> None:
    """Train and evaluate the systems of a spec; run again to resume.

    Writes into the run folder: scores.csv, results.csv, results.json, <system>/anomaly_score_*.csv, and report.html;
    with --shard, finished jobs only.
    """
    sets = [*(set_ or ()), *([f"compute.backend={backend}"] if backend else ())]
    run_spec(spec, out, machine, sets, shard)


def run_spec(
    path: Path, out: Path | None, machines: list[str] | None, sets: list[str] | None, shard: str | None = None
) -> None:
    """Run a spec or a shard of it, show progress, and print the results table; go on if a plugin ends the process."""
    run_restarted(partial(_run_spec, path, out, machines, sets, shard), lambda text: message(f"warning: {text}"))


def _run_spec(
    path: Path, out: Path | None, machines: list[str] | None, sets: list[str] | None, shard: str | None
) -> None:
    from asdkit.cli.progress import Progress
    from asdkit.plugins import discover
    from asdkit.run import Shard, limits, make_plan, require_free, run_plan, run_shard
    from asdkit.spec import load_spec

    part = Shard.parse(shard) if shard else None
    registry = discover()
    spec = load_spec(path, sets=sets or (), registry=registry)
    folder = run_folder(out, spec.name)
    require_free(folder, part)  # fails before the recordings are read, which takes long
    plan = make_plan(spec, folder, registry, machines=machines)
    for text in limits.notes(plan):
        note(text)
    with Progress(plan) as progress:
        if part is None:
            results = run_plan(plan, progress)
        else:
            failed = run_shard(plan, part, progress)
    if part is None:
        show_results(plan, results)
        return
    _print_failed(failed)
    message(f"shard {part} is done; merge all with: asdkit merge OUT {plan.paths.folder} ...")
    if failed:
        raise typer.Exit(int(ExitCode.PARTIAL))


def show_results(plan: Plan, results: Results) -> None:
    """Write the report, print notes and the results table; exit with `ExitCode.PARTIAL` if a job failed."""
    report = _write_report(plan.paths.folder)
    for text in results.notes:
        note(text)
    for skipped in results.skipped:
        message(f"skipped: {skipped.name}: {skipped.reason}")
    _print_failed(results.failed)
    if any(row.auc is not None for row in results.rows):
        _print_results(results)
    else:
        _print_unlabelled(plan.paths.folder)
    message(f"results in {plan.paths.folder}")
    message(report)
    if results.failed:
        raise typer.Exit(int(ExitCode.PARTIAL))


def _print_failed(failed: dict[str, str]) -> None:
    for title, reason in failed.items():
        message(f"failed: {title}: {reason}")


def _write_report(folder: Path) -> str:
    """Write the report; any error is a note, because the results are complete without it."""
    try:
        from asdkit.report import write_report

        return f"report in {write_report(folder)}"
    except Exception as error:
        return f"note: no report could be made ({error_line(error)})"


def _print_results(results: Results) -> None:
    """Print a row for each member and system, a column for each machine, and the mean over machines."""
    from asdkit.metrics import partial_means
    from asdkit.metrics.rules import auc_and_pauc

    machines = sorted(results.scores)
    partial = {(m.name, m.kind): f" of {m.of}/{most}" for m, most in partial_means(results.means)}
    means = {(m.name, m.kind, m.machine): m for m in results.means}
    rows = []
    for kind, names in (("member", results.members), ("system", results.systems)):
        for name in names:
            cells = [auc_and_pauc(means.get((name, kind, machine)), DASH) for machine in (*machines, None)]
            cells[-1] += partial.get((name, kind), "")
            rows.append([name, kind, *cells])
    print_table(["", "", *machines, "mean"], rows, title="AUC (pAUC), %, measured")


def _print_unlabelled(folder: Path) -> None:
    """Print the most unusual training clips and the thresholds of a run without test labels."""
    from asdkit.report.run_data import read_run

    run = read_run(folder)
    for machine in sorted(run.tables):
        for name in run.drawn(machine):
            _print_unusual(run, machine, name)
            _print_thresholds(run, machine, name)


def _print_unusual(run: Run, machine: str, name: str) -> None:
    from asdkit.report.rankings import unusual_training_clips

    splits = {"train": "training", "held": "held out"}
    rows = [
        [clip.clip, clip.id, f"{clip.score:.4g}", f"{clip.z:+.1f}", splits[split]]
        for clip, split in unusual_training_clips(run.tables[machine], name)
    ]
    if rows:
        title = (
            f"{machine}: healthy recordings with the highest scores of {name} (z: standard deviations above the mean)"
        )
        print_table(["recording", "id", "score", "z", ""], rows, title=title)


def _print_thresholds(run: Run, machine: str, name: str) -> None:
    from asdkit.bundle.calibration import percent
    from asdkit.report.cautions import thresholds

    rows = [
        [
            row.id,
            str(row.held_out),
            DASH if row.supported_rate is None else percent(row.supported_rate),
            DASH if row.score is None else f"{row.score:.4g}",
            row.shortfall,
        ]
        for row in thresholds(run, machine, name)
    ]
    rule = f"{percent(run.rule.false_alarm_rate)} of healthy clips, {run.rule.threshold}"
    header = ["id", "held out", "least rate", "anomalous above", ""]
    print_table(header, rows, title=f"{machine}: thresholds of {name} for {rule}")
