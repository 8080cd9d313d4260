"""``asdkit check``."""

from __future__ import annotations

import typer

from asdkit.cli.options import MachineOption, OutOption, SetOption, SpecArgument, run_folder


def check(spec: SpecArgument, out: OutOption = None, machine: MachineOption = None, set_: SetOption = None) -> None:
    """Check a spec and its recordings, and print the plan: what is done, what is left. Nothing runs."""
    from asdkit.cli.console import print_table
    from asdkit.plugins import discover
    from asdkit.run import make_plan
    from asdkit.run.check_recordings import windows_of
    from asdkit.spec import load_spec

    registry = discover()
    checked = load_spec(spec, sets=set_ or (), registry=registry)
    plan = make_plan(checked, run_folder(out, checked.name), registry, machines=machine)
    rows = []
    for job in plan.jobs:
        featurizer = registry.entry("featurizer", job.settings.featurizer.use).load()(job.settings.featurizer.config)
        lengths = [[plan.checked.samples[c.clip.name] for c in part] for part in (job.train, job.held, job.test)]
        windows = [windows_of(job.settings, featurizer, part) for part in lengths]
        rows.append(
            [
                job.machine,
                " = ".join(job.detectors),
                str(len({c.clip.id for c in job.train})),
                str(len(job.train)),
                str(len(job.held)),
                str(len(job.test)),
                f"{windows[0]:,}",
                f"{windows[2]:,}",
                plan.status(job),
            ]
        )
    for note in plan.notes:
        typer.echo(f"note: {note}", err=True)
    for skipped in plan.checked.skipped:
        typer.echo(f"skipped: {skipped.name}: {skipped.reason}", err=True)
    header = [
        "machine",
        "detector",
        "ids",
        "train clips",
        "held out",
        "test clips",
        "train windows",
        "test windows",
        "status",
    ]
    print_table(header, rows)
    left = sum(row[-1] != "done" for row in rows)
    typer.echo(f"{len(rows)} jobs, {len(rows) - left} done, {left} left; run folder {plan.paths.folder}", err=True)
