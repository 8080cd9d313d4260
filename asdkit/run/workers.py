"""The machine at hand: its cores and device, how workers share them, and that no worker outlives its driver.

What runs jobs: this process, worker processes on this machine (loky), or a cluster (Dask); all through joblib.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from asdkit.errors import AsdkitError
from asdkit.run.cluster import cluster, lost_scheduler, lost_workers
from asdkit.run.job import Outcome, run_job
from asdkit.run.jobs import Job
from asdkit.run.locks import TRIES, Lease
from asdkit.run.resources import cores, device_of, follow, share
from asdkit.run.store import RunPaths, unchanged

if TYPE_CHECKING:
    from asdkit.spec import ComputeSettings


Kind = Literal["loky", "dask", "sequential"]

_WARNINGS = (
    # joblib says that a worker died; so does the run, with the job's name
    "A worker stopped while some jobs were given",
)

_LITTLE = 1 << 20  # bytes of recordings
_BATCH = 16


@dataclass(frozen=True)
class Backend:
    """What runs jobs.

    Attributes
    ----------
    kind
        The joblib backend.
    workers
        Processes that work at the same time; on a cluster, as many as it has.
    threads
        Threads of each job.
    device
        As the spec says.
    client
        Of the cluster.
    notes
        What the person should know of how the machine is shared out.
    """

    kind: Kind
    workers: int
    threads: int
    device: str
    client: Any = None
    notes: tuple[str, ...] = ()

    def run(self, jobs: Sequence[Job], place: RunPaths, run: str, *, alone: bool) -> Iterator[Outcome]:
        """Run jobs and give their outcomes as they end.

        A worker that dies takes no outcome with it but its own and those that had not ended: what is missing at the
        end was lost so, and may be run again.

        Parameters
        ----------
        jobs
            What to run.
        place
            The run's folder.
        run
            Token of this driver.
        alone
            Whether a process died in these jobs: then they are kept out of this one where there is another way.

        Raises
        ------
        AsdkitError
            If the cluster is lost.
        """
        how: dict[str, Any] = {"device": self.device, "threads": self.threads, "alone": alone or self.kind == "dask"}
        if not jobs:
            return
        if self.kind == "sequential" or (self.kind == "loky" and self.workers == 1 and not alone):
            for job in jobs:
                yield attempt(job, place, run, **how)
            return
        from joblib import Parallel, delayed, parallel_config
        from joblib.externals.loky.process_executor import BrokenProcessPool

        batches = list(_batches(jobs, self.workers))
        if self.kind == "dask":
            config = parallel_config("dask", client=self.client, n_jobs=-1)
            calls = [delayed(_on_cluster)(batch, place, run, **how) for batch in batches]
        else:  # two workers at least: with one, joblib runs the jobs in this process
            config = parallel_config(
                "loky",
                n_jobs=max(2, self.workers),
                inner_max_num_threads=self.threads,
                initializer=_begin_worker,
                initargs=(os.getpid(),),
            )
            calls = [delayed(_attempts)(batch, place, run, **how) for batch in batches]
        with config, warnings.catch_warnings():
            for text in _WARNINGS:
                warnings.filterwarnings("ignore", text, UserWarning)
            outcomes = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")(calls)
            try:
                for batch in outcomes:
                    yield from batch
            except (BrokenProcessPool, *lost_workers()):
                return
            except lost_scheduler():
                raise AsdkitError(
                    "lost the scheduler of the cluster; what was finished is kept",
                    hint="Run the same command again to go on, once it is back.",
                ) from None


@contextmanager
def opened(compute: ComputeSettings, jobs: int) -> Iterator[Backend]:
    """Open the backend that a spec names, for at most `jobs` jobs.

    Workers x threads never exceeds the cores. The threads follow from the spec, not from what is left to do: a resumed
    run must compute with as many threads as one never disturbed, for their number may change the last digits.

    Raises
    ------
    UsageError
        If the cluster cannot be reached, or would use more threads than its hosts have cores.
    """
    if compute.backend == "dask" and compute.scheduler is not None:
        with cluster(compute.scheduler, threads=compute.threads or 1) as client:
            yield Backend("dask", len(client.nthreads()), compute.threads or 1, compute.device, client)
        return
    workers, threads, notes = share(compute, cores())
    workers = max(1, min(workers, jobs))
    if compute.backend == "dask" and jobs:
        with cluster(None, workers=workers) as client:
            yield Backend("dask", workers, threads, compute.device, client, notes)
        return
    yield Backend(compute.backend, workers, threads, compute.device, notes=notes)


def _batches(jobs: Sequence[Job], workers: int) -> Iterator[list[Job]]:
    """Jobs that are handed out together: for those of a few seconds of sound, handing out costs more than doing.

    However many there are, each worker gets several batches.
    """
    most = max(1, min(_BATCH, len(jobs) // (4 * workers)))
    batch: list[Job] = []
    for job in jobs:
        if sum(clip.size for clip in job.clips) > _LITTLE:
            yield [job]
            continue
        batch.append(job)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _begin_worker(driver: int) -> None:
    """In a worker of this machine, before any job: the driver alone answers signals, and it ends with its driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    follow(driver)


def _attempts(jobs: Sequence[Job], place: RunPaths, run: str, **how: Any) -> list[Outcome]:
    return [attempt(job, place, run, **how) for job in jobs]


def _on_cluster(jobs: Sequence[Job], place: RunPaths, run: str, **how: Any) -> list[Outcome]:
    """Attempts in a worker of a cluster: what a plugin does by joblib stays in it, and asks no scheduler."""
    from joblib import parallel_config

    with parallel_config("threading", n_jobs=1):
        return _attempts(jobs, place, run, **how)


def attempt(job: Job, place: RunPaths, run: str, *, device: str, threads: int, alone: bool) -> Outcome:
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


def _attempt(job: Job, place: RunPaths, deaths: int, device: str, threads: int) -> Outcome:
    if unchanged(place.done(job)) is None:  # by whoever had it before
        return Outcome(job.key, "done")
    if deaths >= TRIES:
        message = f"its process died {deaths} times (out of memory? a plugin that ends the process?)"
        return Outcome(job.key, "failed", message)
    return run_job(job, place, device_of(device), threads)
