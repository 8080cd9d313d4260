"""Run a plan: skip finished jobs, run the others, retry those whose process died, write the results."""

from __future__ import annotations

import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from asdkit.errors import AsdkitError, ExitCode, Stopped, UsageError
from asdkit.files import write_atomic
from asdkit.run.job import Outcome, versions
from asdkit.run.jobs import Job
from asdkit.run.limits import refuse_impossible
from asdkit.run.locks import TRIES, is_run, locked, mark_run
from asdkit.run.plan import Plan, Shard
from asdkit.run.provenance import provenance, settings_record, signature
from asdkit.run.records import ShardData, ShardRecord
from asdkit.run.resources import select_device
from asdkit.run.results import Results, collect, remove_results, save_results
from asdkit.run.store import RunPaths, has_lease, read_lease, store_files, write_settings, write_shard
from asdkit.run.workers import Backend, open_backend
from asdkit.stop_signals import StopRequest, stop_on_signals


class Watcher:
    """Receives the events of a run. The methods do nothing; subclasses override them."""

    def planned(self, plan: Plan, jobs: Sequence[Job], left: Sequence[Job]) -> None:
        """Work begins on `jobs`; those in `left` are not done yet."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A job ended."""

    def retrying(self, job: Job, deaths: int) -> None:
        """A job's process died for the `deaths`-th time, and the job is tried again."""

    def stopping(self) -> None:
        """The run was asked to stop and stops at the next batch."""


def run_plan(plan: Plan, watcher: Watcher | None = None) -> Results:
    """Run the jobs of a plan that are not done and write the results.

    Raises
    ------
    SpecError
        If the estimate of a job is beyond the limits of memory and time.
    RunInUse
        If another process works in the folder.
    Stopped
        If asked to stop; finished jobs are kept.
    AsdkitError
        If every job failed.
    """
    begin = time.time()
    watcher = watcher or Watcher()
    refuse_impossible(plan, plan.jobs)
    with _locked_run(plan, None, watcher) as stop:
        _remove_temporary_files(plan.paths.folder)
        left = _not_done(plan, plan.jobs)
        if left:
            remove_results(plan.paths)  # they may be of an earlier spec; they are made again from the jobs
        return finish(plan, _run_left(plan, plan.jobs, left, watcher, stop), begin)


def run_shard(plan: Plan, shard: Shard, watcher: Watcher | None = None) -> dict[str, str]:
    """Run the jobs of one shard that are not done and write a record for `merge`, which makes the results.

    Returns
    -------
    failed
        Why jobs failed, by title.

    Raises
    ------
    SpecError
        If the estimate of a job is beyond the limits of memory and time.
    RunInUse
        If another process works on this shard in the folder, or on the whole run.
    Stopped
        If asked to stop; finished jobs are kept.
    """
    watcher = watcher or Watcher()
    plan = replace(plan, paths=replace(plan.paths, mark=shard.mark))
    jobs = shard.picks(plan.jobs)
    refuse_impossible(plan, jobs)
    with _locked_run(plan, shard, watcher) as stop:
        titles = {job.key: job.title for job in jobs}
        messages = _run_left(plan, jobs, _not_done(plan, jobs), watcher, stop)
        failed = {titles[key]: message for key, message in messages.items()}
        record = ShardRecord(
            shard=(shard.index, shard.count),
            name=plan.spec.name,
            sets=list(plan.spec.sets),
            data=ShardData(
                root=str(plan.spec.data.root),
                ground_truth=[*map(str, plan.spec.data.ground_truth)],
                spec_folder=str(plan.spec.path.absolute().parent),
            ),
            machines=None if plan.machines is None else list(plan.machines),
            signature=signature(plan),
            done={job.title: job.folder for job in jobs if job.title not in failed},
            failed=failed,
        )
        write_shard(plan.paths, record)
    return failed


def finish(plan: Plan, failed: Mapping[str, str], begin: float) -> Results:
    """Make and write the results of a plan.

    Parameters
    ----------
    plan
        All its jobs are done, except those that failed.
    failed
        Why jobs failed, by key.
    begin
        Time when the run began [s].

    Raises
    ------
    AsdkitError
        If every job failed.
    """
    paths, spec = plan.paths, plan.spec
    folders = {job.key: paths.done(job) for job in plan.jobs if job.key not in failed}
    if not folders:
        raise AsdkitError("every job failed:\n" + "\n".join(f"{j.title}: {failed[j.key]}" for j in plan.jobs))
    results = collect(spec, plan.jobs, folders, failed, plan.checked.skipped, plan.registry)
    results.notes[:] = dict.fromkeys([*plan.notes, *results.notes])
    about = {
        "name": spec.name,
        "seed": spec.seed,
        "device": select_device(spec.compute.device),
        "versions": versions(),
        "sha256": provenance(spec, plan.jobs, results.recordings),
        "wall_seconds": round(time.time() - begin, 3),
    }
    save_results(paths, results, spec.data.layout, about)
    if not failed:
        shutil.rmtree(paths.work_folder, ignore_errors=True)
    return results


def make_folder(folder: Path, recordings: Path) -> None:
    """Make the run folder.

    Raises
    ------
    UsageError
        If the folder holds the recordings or anything that is not a run, because a run replaces files in its folder.
    AsdkitError
        If it cannot be made.
    """
    if folder == recordings or folder in recordings.parents:
        raise UsageError(
            f"the recordings in {recordings} lie in the run folder {folder}",
            hint="Choose another place with --out.",
        )
    try:
        if folder.is_dir() and any(folder.iterdir()) and not is_run(folder):
            raise UsageError(f"{folder} holds something that is not a run", hint="Choose another place with --out.")
        mark_run(folder)
        RunPaths(folder).work_folder.mkdir(exist_ok=True)
    except OSError as error:
        raise AsdkitError(
            f"cannot make the run folder {folder}: {error.strerror}", hint="Choose another place with --out."
        ) from None


@contextmanager
def _locked_run(plan: Plan, shard: Shard | None, watcher: Watcher) -> Iterator[StopRequest]:
    """Hold the lock of the run folder, write the spec and settings, and pass the first signal on to the jobs."""
    paths = plan.paths
    make_folder(paths.folder, plan.spec.data.root)

    def request_stop() -> None:
        paths.stop_file.touch()  # jobs look for it
        watcher.stopping()

    with locked(paths.folder, shard):
        paths.stop_file.unlink(missing_ok=True)
        with stop_on_signals(request_stop, farewell="stopped at once; finished jobs are kept") as stop:
            try:
                write_atomic(paths.spec, plan.spec.text.encode())
                write_settings(paths, settings_record(plan))
                store_files(paths, plan.files)
                yield stop
            finally:
                paths.stop_file.unlink(missing_ok=True)


def _remove_temporary_files(folder: Path) -> None:
    """Remove temporary files of a process that was killed while it wrote."""
    for path in (*folder.glob(".*.part"), *folder.glob("[!.]*/.*.part")):
        path.unlink(missing_ok=True)
    for path in folder.glob(".plots.*"):
        shutil.rmtree(path, ignore_errors=True)


def _not_done(plan: Plan, jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if plan.status(job) != "done"]


def _run_left(
    plan: Plan, jobs: Sequence[Job], left: Sequence[Job], watcher: Watcher, stop: StopRequest
) -> dict[str, str]:
    """Run the jobs in `left`, all of them in `jobs`, on the backend of the spec; return why jobs failed, by key.

    Raises
    ------
    Stopped
        If asked to stop.
    """
    with open_backend(plan.spec.compute, len(left)) as backend:
        plan.notes.extend(backend.notes)
        watcher.planned(plan, jobs, left)
        failed = _run_with_retries(left, plan.paths, backend, uuid.uuid4().hex, watcher)
    if stop:
        done = sum(plan.paths.done(job).exists() for job in jobs)
        error = Stopped(
            f"stopped; {done} of {len(jobs)} jobs are done and kept in {plan.paths.folder}",
            hint="Run the same command again to go on.",
        )
        error.exit_code = ExitCode(stop.exit_code)
        raise error
    return failed


def _run_with_retries(
    left: Sequence[Job], paths: RunPaths, backend: Backend, run: str, watcher: Watcher
) -> dict[str, str]:
    """Run jobs, and those whose process died again; return why jobs failed, by key.

    A job in which a process died (it left a lease) runs again after the others and alone, so that no other job ends
    with it. `run` is the token of this driver.
    """
    jobs = {job.key: job for job in left}
    deaths_before_begin: Counter[str] = Counter()
    failed: dict[str, str] = {}
    suspects = [key for key in jobs if has_lease(paths.work(jobs[key]))]
    batches: list[tuple[bool, list[str]]] = [(False, [key for key in jobs if key not in set(suspects)])]
    batches += [(True, [key]) for key in suspects]
    while batches and not paths.stop_file.exists():
        alone, batch = batches.pop(0)
        lost = dict.fromkeys(batch)
        for outcome in backend.run([jobs[key] for key in batch], paths, run, alone=alone):
            lost.pop(outcome.key)
            if outcome.status == "failed":
                failed[outcome.key] = outcome.message
            watcher.ended(jobs[outcome.key], outcome)
        if not lost or paths.stop_file.exists():
            continue
        begun = [key for key in lost if has_lease(paths.work(jobs[key]))]
        if not begun:  # workers die before any job begins
            deaths_before_begin.update(list(lost))
        for key in [key for key in lost if deaths_before_begin[key] >= TRIES]:
            del lost[key]
            failed[key] = f"its process died {TRIES} times before it began (a plugin that ends the process?)"
            watcher.ended(jobs[key], Outcome(key, "failed", failed[key]))
        for key in begun or list(lost):
            lease = read_lease(paths.work(jobs[key]))
            watcher.retrying(jobs[key], deaths_before_begin[key] or (lease.deaths + 1 if lease else 1))
        batches += [(True, [key]) for key in begun or lost]
        if begun:
            batches.insert(0, (False, [key for key in lost if key not in begun]))
    return failed
