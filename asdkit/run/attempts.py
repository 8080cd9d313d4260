"""What is left of a plan, attempted until it is done or given up: retries, and suspects alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asdkit.run.files import unchanged
from asdkit.run.job import Outcome, Place, run_job
from asdkit.run.ledger import TRIES, Lease, read_record, suspect
from asdkit.run.workers import device_of

if TYPE_CHECKING:
    from asdkit.run.backends import Backend
    from asdkit.run.execute import Watcher
    from asdkit.run.plan import Job


def attempt(job: Job, place: Place, run: str, *, device: str, threads: int, alone: bool) -> Outcome:
    """Run one job in this process, once nobody else has it and unless it is done or given up.

    Parameters
    ----------
    job
        What to do.
    place
        Where to work and where to publish.
    run
        Token of the driver.
    device
        As the spec says: what there is, is seen where the job runs.
    threads
        Threads it may use.
    alone
        Whether nobody else goes down with this process.
    """
    if place.stop_file.exists():
        return Outcome(job.key, "stopped")
    try:
        lease = Lease(place.work(job), run, alone=alone)
        if not lease.acquire(place.stop_file.exists):
            return Outcome(job.key, "stopped")
    except OSError as error:
        return Outcome(job.key, "failed", f"cannot work in {place.work(job)}: {error.strerror}")
    try:
        outcome = _attempt(job, place, lease.deaths, device, threads)
    except BaseException:
        lease.release(forget=False)
        raise
    lease.release(forget=outcome.status != "stopped")
    return outcome


def _attempt(job: Job, place: Place, deaths: int, device: str, threads: int) -> Outcome:
    if unchanged(place.done(job)) is None:  # by whoever had it before
        return Outcome(job.key, "done")
    if deaths >= TRIES:
        message = f"its process died {deaths} times (out of memory? a plugin that ends the process?)"
        return Outcome(job.key, "failed", message)
    return run_job(job, place, device_of(device), threads)


def run_left(left: Sequence[Job], place: Place, backend: Backend, run: str, watcher: Watcher) -> dict[str, str]:
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
    suspects = [key for key in jobs if suspect(place.work(jobs[key]))]
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
        begun = [key for key in lost if suspect(place.work(jobs[key]))]
        # Those that had not begun are innocent, unless nobody had: then workers die before any job begins.
        if not begun:
            unbegun.update(list(lost))
        for key in [key for key in lost if unbegun[key] >= TRIES]:
            del lost[key]
            failed[key] = f"its process died {TRIES} times before it began (a plugin that ends the process?)"
            watcher.ended(jobs[key], Outcome(key, "failed", failed[key]))
        for key in begun or list(lost):
            record = read_record(place.work(jobs[key]))
            watcher.retrying(jobs[key], unbegun[key] or (record.deaths + 1 if record else 1))
        batches += [(True, [key]) for key in begun or lost]
        if begun:
            batches.insert(0, (False, [key for key in lost if key not in begun]))
    return failed
