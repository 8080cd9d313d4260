"""Carry out a plan: skip what is done, run what is left, survive what dies."""

from __future__ import annotations

import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asdkit.errors import AsdkitError, ExitCode, Stopped, UsageError
from asdkit.run.attempts import run_left
from asdkit.run.backends import opened
from asdkit.run.check import Checked, check_audio
from asdkit.run.files import unchanged, write_atomic, write_json
from asdkit.run.interrupts import interruptible
from asdkit.run.job import Outcome, Place, versions
from asdkit.run.listing import list_jobs
from asdkit.run.lock import is_run, locked, mark_run
from asdkit.run.plan import Job, make_jobs
from asdkit.run.provenance import provenance
from asdkit.run.record import settings_record, signature
from asdkit.run.results import Results, clear_results, collect, write_results
from asdkit.run.shards import Shard
from asdkit.run.workers import device_of

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.spec import Spec

Status = Literal["done", "begun", "left"]


@dataclass(frozen=True)
class Plan:
    """A spec, its good clips, and the jobs that they make.

    Attributes
    ----------
    machines
        Only these, as asked for beside the spec.
    """

    spec: Spec
    checked: Checked
    jobs: list[Job]
    place: Place
    registry: Registry
    notes: list[str] = field(default_factory=list)
    machines: tuple[str, ...] | None = None

    def status(self, job: Job) -> Status:
        """Whether the job is complete and intact, begun, or left to do."""
        done = self.place.done(job)
        if unchanged(done) is None:
            return "done"
        return "begun" if any(self.place.work(job).glob("checkpoint*")) else "left"


class Watcher:
    """Hears how a run goes; as it stands it says nothing."""

    def planned(self, plan: Plan, jobs: Sequence[Job], left: Sequence[Job]) -> None:
        """Work begins on `jobs`: `left` is what is not done already."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Tell that a job ended."""

    def retrying(self, job: Job, deaths: int) -> None:
        """A job's process died, so many times by now, and it is tried again."""

    def stopping(self) -> None:
        """The run was asked to stop and does so at the next batch."""


def make_plan(spec: Spec, folder: Path, registry: Registry, *, machines: Sequence[str] | None = None) -> Plan:
    """Find the clips, check them all, and turn spec and clips into jobs; nothing is written.

    Parameters
    ----------
    spec
        The spec.
    folder
        The run folder; need not exist.
    registry
        The plugins.
    machines
        Only these machines, instead of the spec's.

    Raises
    ------
    DataError
        All faults of the data at once.
    SpecError
        For settings that cannot go with these clips.
    """
    listing = list_jobs(spec, registry, machines)  # faults of the spec before those of the data
    checked = check_audio(spec, listing.clips, registry)
    jobs = make_jobs(spec, checked.clips, registry) if checked.skipped else listing.jobs
    only = None if machines is None else tuple(machines)
    return Plan(spec, checked, jobs, Place(folder), registry, listing.notes, only)


def run_plan(plan: Plan, watcher: Watcher | None = None) -> Results:
    """Run what is left of a plan and write the results.

    Raises
    ------
    RunInUse
        If another process works in the folder.
    Stopped
        If asked to stop; what was finished is kept.
    AsdkitError
        If nothing could be computed at all.
    """
    begin = time.time()
    with _at_work(plan, plan.jobs, None, watcher or Watcher()) as (left, run):
        _sweep(plan.place.folder)
        if left:
            clear_results(plan.place.folder)  # of an earlier spec, perhaps: they are made anew from the jobs
        return finish(plan, run(), begin)


def run_shard(plan: Plan, shard: Shard, watcher: Watcher | None = None) -> dict[str, str]:
    """Run what is left of one shard's share of a plan, and leave a record for merging; results come with the merge.

    Returns
    -------
    failed
        Why jobs failed, by title.

    Raises
    ------
    RunInUse
        If another process works on this shard in the folder, or on the whole run.
    Stopped
        If asked to stop; what was finished is kept.
    """
    plan = replace(plan, place=replace(plan.place, mark=f"-{shard.index}-of-{shard.of}"))
    mine = shard.picks(plan.jobs)
    with _at_work(plan, mine, shard, watcher or Watcher()) as (_, run):
        titles = {job.key: job.title for job in mine}
        failed = {titles[key]: message for key, message in run().items()}
        record = plan.place.folder / shard.record
        record.parent.mkdir(exist_ok=True)
        done = {job.title: job.folder for job in mine if job.title not in failed}
        write_json(
            record,
            {
                "shard": [shard.index, shard.of],
                "name": plan.spec.name,
                "sets": plan.spec.sets,
                "data": {"root": str(plan.spec.data.root), "ground_truth": [*map(str, plan.spec.data.ground_truth)]},
                "machines": plan.machines,
                "made_of": signature(plan),
                "done": done,
                "failed": failed,
            },
        )
    return failed


def finish(plan: Plan, failed: Mapping[str, str], begin: float) -> Results:
    """Make the results of a plan whose jobs are done, but for those that `failed` (by key), and write them.

    Raises
    ------
    AsdkitError
        If every job failed.
    """
    place, spec = plan.place, plan.spec
    folders = {job.key: place.done(job) for job in plan.jobs if job.key not in failed}
    if not folders:
        raise AsdkitError("every job failed:\n" + "\n".join(f"{j.title}: {failed[j.key]}" for j in plan.jobs))
    results = collect(spec, plan.jobs, folders, failed, plan.checked.skipped, plan.registry)
    results.notes[:0] = plan.notes
    about = {
        "name": spec.name,
        "seed": spec.seed,
        "device": device_of(spec.compute.device),
        "versions": versions(),
        "sha256": provenance(spec, plan.jobs, results.recordings),
        "wall_seconds": round(time.time() - begin, 3),
    }
    write_results(place.folder, results, spec.data.layout, about)
    if not failed:
        shutil.rmtree(place.folder / "work", ignore_errors=True)
    return results


@contextmanager
def _at_work(
    plan: Plan, jobs: Sequence[Job], shard: Shard | None, watcher: Watcher
) -> Iterator[tuple[list[Job], Callable[[], dict[str, str]]]]:
    """Hold the run folder; gives what is left of `jobs`, and what runs that and says why jobs failed, by key."""
    place = plan.place
    make_folder(place.folder, plan.spec.data.root)
    with locked(place.folder, shard), interruptible(place.stop_file, watcher.stopping) as signals:
        write_atomic(place.folder / "spec.toml", plan.spec.text.encode())
        write_json(place.folder / "settings.json", settings_record(plan))
        left = [job for job in jobs if plan.status(job) != "done"]

        def run() -> dict[str, str]:
            with opened(plan.spec.compute, len(left)) as backend:
                plan.notes.extend(backend.notes)
                watcher.planned(plan, jobs, left)
                failed = run_left(left, place, backend, uuid.uuid4().hex, watcher)
            if signals:
                raise _stopped(place, jobs, signals[0])
            return failed

        yield left, run


def _stopped(place: Place, jobs: Sequence[Job], number: int) -> Stopped:
    done = sum(place.done(job).exists() for job in jobs)
    error = Stopped(
        f"stopped; {done} of {len(jobs)} jobs are done and kept in {place.folder}",
        hint="Run the same command again to go on.",
    )
    error.exit_code = ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED
    return error


def _sweep(folder: Path) -> None:
    """Remove temporary files that a process left when it was killed while it wrote."""
    for left in (*folder.glob(".*.part"), *folder.glob("[!.]*/.*.part")):
        left.unlink(missing_ok=True)
    for left in folder.glob(".plots.*"):
        shutil.rmtree(left, ignore_errors=True)


def make_folder(folder: Path, recordings: Path) -> None:
    """Make the run folder; one that holds anything but a run is refused, for a run replaces what lies in its own."""
    if folder == recordings or folder in recordings.parents:
        raise UsageError(
            f"the recordings in {recordings} lie in the run folder {folder}",
            hint="Choose another place with --out.",
        )
    try:
        foreign = folder.is_dir() and any(folder.iterdir()) and not is_run(folder)
        if foreign:
            raise UsageError(f"{folder} holds something that is not a run", hint="Choose another place with --out.")
        mark_run(folder)
        (folder / "work").mkdir(exist_ok=True)
    except OSError as error:
        raise AsdkitError(
            f"cannot make the run folder {folder}: {error.strerror}", hint="Choose another place with --out."
        ) from None
