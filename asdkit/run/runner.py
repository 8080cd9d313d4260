"""What is left of a plan, attempted until it is done or given up: retries, and suspects alone.

Carry out a plan: skip what is done, run what is left, survive what dies.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asdkit.errors import AsdkitError, ExitCode, Stopped, UsageError
from asdkit.files import write_atomic
from asdkit.run.job import Outcome, versions
from asdkit.run.jobs import Job
from asdkit.run.locks import TRIES, is_run, locked, mark_run
from asdkit.run.plan import Plan, Shard
from asdkit.run.provenance import provenance, settings_record, signature
from asdkit.run.records import ShardData, ShardRecord
from asdkit.run.resources import device_of
from asdkit.run.results import Results, collect, remove_results, save_results
from asdkit.run.store import RunPaths, has_lease, read_lease, write_settings, write_shard
from asdkit.run.workers import opened
from asdkit.signals import StopRequest, stop_on_signals

if TYPE_CHECKING:
    from asdkit.run.jobs import Job
    from asdkit.run.workers import Backend


def run_left(left: Sequence[Job], place: RunPaths, backend: Backend, run: str, watcher: Watcher) -> dict[str, str]:
    """Run jobs, retry those whose process died, and say why each one that failed did, by key.

    Parameters
    ----------
    left
        The jobs.
    place
        The run's folder.
    backend
        What runs them.
    run
        Token of this driver.
    watcher
        Hears how it goes.
    """
    jobs = {job.key: job for job in left}
    unbegun: Counter[str] = Counter()
    failed: dict[str, str] = {}
    # A job that a process died in is run after the others and alone, so that it takes nobody else down.
    suspects = [key for key in jobs if has_lease(place.work(jobs[key]))]
    batches: list[tuple[bool, list[str]]] = [(False, [key for key in jobs if key not in set(suspects)])]
    batches += [(True, [key]) for key in suspects]
    while batches and not place.stop_file.exists():
        alone, batch = batches.pop(0)
        lost = dict.fromkeys(batch)
        for outcome in backend.run([jobs[key] for key in batch], place, run, alone=alone):
            lost.pop(outcome.key)
            if outcome.status == "failed":
                failed[outcome.key] = outcome.message
            watcher.ended(jobs[outcome.key], outcome)
        if not lost or place.stop_file.exists():
            continue
        begun = [key for key in lost if has_lease(place.work(jobs[key]))]
        # Those that had not begun are innocent, unless nobody had: then workers die before any job begins.
        if not begun:
            unbegun.update(list(lost))
        for key in [key for key in lost if unbegun[key] >= TRIES]:
            del lost[key]
            failed[key] = f"its process died {TRIES} times before it began (a plugin that ends the process?)"
            watcher.ended(jobs[key], Outcome(key, "failed", failed[key]))
        for key in begun or list(lost):
            record = read_lease(place.work(jobs[key]))
            watcher.retrying(jobs[key], unbegun[key] or (record.deaths + 1 if record else 1))
        batches += [(True, [key]) for key in begun or lost]
        if begun:
            batches.insert(0, (False, [key for key in lost if key not in begun]))
    return failed


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
        _sweep(plan.paths.folder)
        if left:
            remove_results(plan.paths)  # of an earlier spec, perhaps: they are made anew from the jobs
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
    plan = replace(plan, paths=replace(plan.paths, mark=shard.mark))
    mine = shard.picks(plan.jobs)
    with _at_work(plan, mine, shard, watcher or Watcher()) as (_, run):
        titles = {job.key: job.title for job in mine}
        failed = {titles[key]: message for key, message in run().items()}
        record = ShardRecord(
            shard=(shard.index, shard.count),
            name=plan.spec.name,
            sets=list(plan.spec.sets),
            data=ShardData(root=str(plan.spec.data.root), ground_truth=[*map(str, plan.spec.data.ground_truth)]),
            machines=None if plan.machines is None else list(plan.machines),
            signature=signature(plan),
            done={job.title: job.folder for job in mine if job.title not in failed},
            failed=failed,
        )
        write_shard(plan.paths, record)
    return failed


def finish(plan: Plan, failed: Mapping[str, str], begin: float) -> Results:
    """Make the results of a plan whose jobs are done, but for those that `failed` (by key), and write them.

    Raises
    ------
    AsdkitError
        If every job failed.
    """
    place, spec = plan.paths, plan.spec
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
    save_results(place, results, spec.data.layout, about)
    if not failed:
        shutil.rmtree(place.work_folder, ignore_errors=True)
    return results


@contextmanager
def _at_work(
    plan: Plan, jobs: Sequence[Job], shard: Shard | None, watcher: Watcher
) -> Iterator[tuple[list[Job], Callable[[], dict[str, str]]]]:
    """Hold the run folder; gives what is left of `jobs`, and what runs that and says why jobs failed, by key."""
    place = plan.paths
    make_folder(place.folder, plan.spec.data.root)
    with locked(place.folder, shard), _stoppable(place, watcher) as stop:
        write_atomic(place.spec, plan.spec.text.encode())
        write_settings(place, settings_record(plan))
        left = [job for job in jobs if plan.status(job) != "done"]

        def run() -> dict[str, str]:
            with opened(plan.spec.compute, len(left)) as backend:
                plan.notes.extend(backend.notes)
                watcher.planned(plan, jobs, left)
                failed = run_left(left, place, backend, uuid.uuid4().hex, watcher)
            if stop:
                raise _stopped(place, jobs, stop)
            return failed

        yield left, run


@contextmanager
def _stoppable(place: RunPaths, watcher: Watcher) -> Iterator[StopRequest]:
    """Pass the first signal on to the jobs: they look for the stop file."""

    def stop() -> None:
        place.stop_file.touch()
        watcher.stopping()

    place.stop_file.unlink(missing_ok=True)
    with stop_on_signals(stop, farewell="stopped at once; finished jobs are kept") as request:
        try:
            yield request
        finally:
            place.stop_file.unlink(missing_ok=True)


def _stopped(place: RunPaths, jobs: Sequence[Job], request: StopRequest) -> Stopped:
    done = sum(place.done(job).exists() for job in jobs)
    error = Stopped(
        f"stopped; {done} of {len(jobs)} jobs are done and kept in {place.folder}",
        hint="Run the same command again to go on.",
    )
    error.exit_code = ExitCode(request.exit_code)
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
        RunPaths(folder).work_folder.mkdir(exist_ok=True)
    except OSError as error:
        raise AsdkitError(
            f"cannot make the run folder {folder}: {error.strerror}", hint="Choose another place with --out."
        ) from None
