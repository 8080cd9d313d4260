"""``asdkit check``."""

from __future__ import annotations

from asdkit.cli.console import message, note, print_table
from asdkit.cli.options import MachineOption, OutOption, SetOption, SpecArgument, run_folder

_HEADER = (
    "machine", "detector", "ids", "train clips", "held out", "test clips", "train windows", "test windows", "memory",
    "time", "status",
)  # fmt: skip


def check(spec: SpecArgument, out: OutOption = None, machine: MachineOption = None, set_: SetOption = None) -> None:
    """Check a spec and its recordings; print the plan: jobs, their estimated memory and time. Nothing is trained."""
    from asdkit.plugins import discover
    from asdkit.run import limits, make_plan
    from asdkit.spec import load_spec
    from asdkit.text import duration_text, size_text

    registry = discover()
    checked = load_spec(spec, sets=set_ or (), registry=registry)
    plan = make_plan(checked, run_folder(out, checked.name), registry, machines=machine)
    rows = []
    for estimate in plan.estimates:
        job, at_least = estimate.job, "" if estimate.complete else "> "
        rows.append(
            [
                job.machine,
                " = ".join(job.detectors),
                str(len({c.clip.id for c in job.train})),
                str(len(job.train)),
                str(len(job.held)),
                str(len(job.test)),
                f"{estimate.train_windows:,}",
                f"{estimate.test_windows:,}",
                at_least + size_text(estimate.bytes),
                at_least + duration_text(estimate.seconds),
                plan.status(job),
            ]
        )
    for text in [*plan.notes, *limits.notes(plan)]:
        note(text)
    for skipped in plan.checked.skipped:
        message(f"skipped: {skipped.name}: {skipped.reason}")
    print_table(_HEADER, rows)
    message(limits.basis(plan))
    limits.refuse_impossible(plan, plan.jobs)
    left = sum(row[-1] != "done" for row in rows)
    message(f"{len(rows)} jobs, {len(rows) - left} done, {left} left; run folder {plan.paths.folder}")
