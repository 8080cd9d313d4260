"""``asdkit check``."""

from __future__ import annotations

from asdkit.cli.console import message, note, print_table
from asdkit.cli.options import MachineOption, OutOption, SetOption, SpecArgument, run_folder

_HEADER = (
    "machine", "detector", "ids", "train clips", "held out", "test clips", "train windows", "test windows", "status",
)  # fmt: skip


def check(spec: SpecArgument, out: OutOption = None, machine: MachineOption = None, set_: SetOption = None) -> None:
    """Check a spec and its recordings, and print the plan: finished and remaining jobs. Nothing is trained."""
    from asdkit.plugins import discover
    from asdkit.run import make_plan
    from asdkit.run.check_recordings import count_windows
    from asdkit.spec import load_spec

    registry = discover()
    checked = load_spec(spec, sets=set_ or (), registry=registry)
    plan = make_plan(checked, run_folder(out, checked.name), registry, machines=machine)
    rows = []
    for job in plan.jobs:
        featurizer = job.plugins[1].construct(job.settings.featurizer.config)
        train_windows, test_windows = (
            count_windows(job.settings, featurizer, [plan.checked.samples[c.clip.name] for c in clips])
            for clips in (job.train, job.test)
        )
        rows.append(
            [
                job.machine,
                " = ".join(job.detectors),
                str(len({c.clip.id for c in job.train})),
                str(len(job.train)),
                str(len(job.held)),
                str(len(job.test)),
                f"{train_windows:,}",
                f"{test_windows:,}",
                plan.status(job),
            ]
        )
    for text in plan.notes:
        note(text)
    for skipped in plan.checked.skipped:
        message(f"skipped: {skipped.name}: {skipped.reason}")
    print_table(_HEADER, rows)
    left = sum(row[-1] != "done" for row in rows)
    message(f"{len(rows)} jobs, {len(rows) - left} done, {left} left; run folder {plan.paths.folder}")
