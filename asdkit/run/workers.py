"""Backends that run jobs: this process, worker processes on this machine (loky), or a Dask cluster."""

from __future__ import annotations

import os
import platform
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Literal

from asdkit.errors import AsdkitError
from asdkit.plugin_calls import announced_calls
from asdkit.run.cluster import dask_client, run_calls
from asdkit.run.job import Outcome, run_job
from asdkit.run.jobs import Job
from asdkit.run.locks import TRIES, Lease, is_run
from asdkit.run.resources import core_count, select_device, share_cores
from asdkit.run.store import RunPaths, unchanged
from asdkit.spec import ComputeSettings
from asdkit.text import error_message
from asdkit.worker_process import end_with

_LOST_WORKER = "A worker stopped while some jobs were given"  # joblib's warning; the run reports the job by name
_SMALL_JOB = 1 << 20  # bytes of recordings
_BATCH_SIZE = 16  # most small jobs of one batch


@dataclass(frozen=True)
class Backend:
    """What runs jobs.

    Attributes
    ----------
    kind
        As in the spec.
    workers
        Processes that work at the same time; on a cluster, all of its workers.
    threads
        Threads of each job.
    device
        As in the spec.
    client
        Of the cluster.
    notes
        Notes for the user about workers and threads.
    """

    kind: Literal["loky", "dask", "sequential"]
    workers: int
    threads: int
    device: str
    client: Any = None
    notes: tuple[str, ...] = ()

    def run(self, jobs: Sequence[Job], paths: RunPaths, run: str, *, alone: bool) -> Iterator[Outcome]:
        """Run jobs and yield their outcomes as they end.

        If a worker dies, the outcomes of the jobs that have not ended are missing; these jobs can be run again.

        Parameters
        ----------
        jobs
            The jobs to run.
        paths
            The run.
        run
            Token of this driver.
        alone
            Whether a process died in these jobs before; they then run outside this process if the backend can.

        Raises
        ------
        AsdkitError
            If the cluster is lost.
        """
        options: dict[str, Any] = {
            "device": self.device,
            "threads": self.threads,
            "alone": alone or self.kind == "dask",
        }
        if not jobs:
            return
        if self.kind == "sequential" or (self.kind == "loky" and self.workers == 1 and not alone):
            for job in jobs:
                yield attempt(job, paths, run, **options)
            return
        batches = _batches(jobs, self.workers)
        if self.kind == "dask":
            calls = [partial(_attempt_on_cluster, batch, paths, run, **options) for batch in batches]
            outcomes = run_calls(self.client, calls)
        else:
            calls = [partial(_attempt_all, batch, paths, run, **options) for batch in batches]
            rounds = [calls] if self.workers > 1 else [[call] for call in calls]
            outcomes = chain.from_iterable(map(self._run_by_loky, rounds))
        for batch in outcomes:
            yield from batch

    def _run_by_loky(self, calls: Sequence[Callable[[], list[Outcome]]]) -> Iterator[list[Outcome]]:
        from joblib import Parallel, delayed, parallel_config
        from joblib.externals.loky.process_executor import BrokenProcessPool

        config = parallel_config(
            "loky",
            n_jobs=max(2, self.workers),  # with one, joblib runs the jobs in this process
            inner_max_num_threads=self.threads,
            initializer=_begin_worker,
            initargs=(os.getpid(),),
        )
        with config, warnings.catch_warnings():
            warnings.filterwarnings("ignore", _LOST_WORKER, UserWarning)
            outcomes = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")(
                delayed(call)() for call in calls
            )
            with suppress(BrokenProcessPool):
                yield from outcomes


@contextmanager
def open_backend(compute: ComputeSettings, jobs: int) -> Iterator[Backend]:
    """Open the backend that a spec names, for at most `jobs` jobs.

    Workers x threads never exceeds the cores. The threads follow from the spec, not from the jobs left: the last digits
    of scores may depend on their number, and a resumed run must give the same scores.

    Raises
    ------
    UsageError
        If the cluster cannot be reached, or would use more threads than its hosts have cores.
    """
    if compute.backend == "dask" and compute.scheduler is not None:
        with dask_client(compute.scheduler, threads=compute.threads or 1) as client:
            yield Backend("dask", len(client.nthreads()), compute.threads or 1, compute.device, client)
        return
    workers, threads, notes = share_cores(compute, core_count())
    workers = max(1, min(workers, jobs))
    if compute.backend == "dask" and jobs:
        with dask_client(None, workers=workers) as client:
            yield Backend("dask", workers, threads, compute.device, client, notes)
        return
    yield Backend(compute.backend, workers, threads, compute.device, notes=notes)


def attempt(job: Job, paths: RunPaths, run: str, *, device: str, threads: int, alone: bool) -> Outcome:
    """Run one job in this process once no other process has it, unless it is done or given up by then.

    Parameters
    ----------
    job
        The job.
    paths
        The run.
    run
        Token of the driver.
    device
        As in the spec; ``"auto"`` is resolved where the job runs.
    threads
        Threads it may use.
    alone
        Whether no other job ends if this process dies.
    """
    if paths.stop_file.exists():
        return Outcome(job.key, "stopped")
    try:
        lease = Lease(paths.work(job), run, alone=alone)
        if not lease.acquire(paths.stop_file.exists):
            return Outcome(job.key, "stopped")
    except OSError as error:
        return Outcome(job.key, "failed", f"cannot work in {paths.work(job)}: {error.strerror}")
    except AsdkitError as error:  # its folder cannot be locked here
        return Outcome(job.key, "failed", error_message(error))
    try:
        with announced_calls(lease.record_call):
            outcome = _attempt_leased(job, paths, lease, device, threads)
    except BaseException:
        lease.release(forget=False)
        raise
    lease.release(forget=outcome.status != "stopped")
    return outcome


def _attempt_leased(job: Job, paths: RunPaths, lease: Lease, device: str, threads: int) -> Outcome:
    if unchanged(paths.done(job)) is None:  # another process has done it meanwhile
        return Outcome(job.key, "done")
    if lease.deaths >= TRIES:
        where = f", the last time during {lease.died_in}" if lease.died_in else ""
        message = f"its process died {lease.deaths} times{where} (out of memory? a plugin that ends the process?)"
        return Outcome(job.key, "failed", message)
    return run_job(job, paths, select_device(device), threads)


def _attempt_all(jobs: Sequence[Job], paths: RunPaths, run: str, **options: Any) -> list[Outcome]:
    return [attempt(job, paths, run, **options) for job in jobs]


def _attempt_on_cluster(jobs: Sequence[Job], paths: RunPaths, run: str, **options: Any) -> list[Outcome]:
    """Attempt jobs in a worker of a cluster, where a plugin's own use of joblib must not reach the scheduler.

    A worker that does not see the run folder would otherwise make one of its own.
    """
    from joblib import parallel_config

    if reason := _hidden(jobs, paths):
        return [Outcome(job.key, "failed", reason) for job in jobs]
    with parallel_config("threading", n_jobs=1):
        return _attempt_all(jobs, paths, run, **options)


def _hidden(jobs: Sequence[Job], paths: RunPaths) -> str:
    """Say which folder this host does not see; empty if it sees the run folder and the recordings."""
    folder = paths.folder if not is_run(paths.folder) else None
    folders = [path.parent for job in jobs for path in [job.clips[0].clip.path] if not path.exists()]
    if folder is None and not folders:
        return ""
    what = "the recordings in" if folder is None else "the run folder"
    return (
        f"the worker on {platform.node()} does not see {what} {folder or folders[0]}; workers of a cluster need the "
        "run folder and the recordings under the same paths as here"
    )


def _batches(jobs: Sequence[Job], workers: int) -> Iterator[list[Job]]:
    """Group small jobs, which take less time than handing them out; each worker still gets several batches."""
    most = max(1, min(_BATCH_SIZE, len(jobs) // (4 * workers)))
    batch: list[Job] = []
    for job in jobs:
        if sum(clip.size for clip in job.clips) > _SMALL_JOB:
            yield [job]
            continue
        batch.append(job)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _begin_worker(driver: int) -> None:
    """Set up a worker of this machine: ignore signals, which the driver handles, and end with the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Else loky enables the fault handler here; the run says in one line which call ended the process.
    os.environ.setdefault("PYTHONFAULTHANDLER", "")
    end_with(driver)
