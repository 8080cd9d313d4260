"""Jobs on worker processes: in turn in this one, or on several through joblib."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence

from asdkit.run.job import Outcome, Place, run_job
from asdkit.run.plan import Job


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def run_jobs(jobs: Sequence[Job], place: Place, *, workers: int, threads: int, device: str) -> Iterator[Outcome]:
    """Run jobs and give their outcomes as they end.

    A worker that dies takes no outcome with it but its own and those that had not ended: what is missing at the end
    was lost so, and may be run again.

    Parameters
    ----------
    jobs
        What to run.
    place
        The run's folder.
    workers
        Processes; 1 runs the jobs in this one.
    threads
        Threads of each job.
    device
        Where jobs compute.
    """
    if workers == 1:
        for job in jobs:
            yield run_job(job, place, device, threads)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=threads):
        calls = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")(
            delayed(_run_job_in_worker)(os.getpid(), job, place, device, threads) for job in jobs
        )
        with warnings.catch_warnings():
            # joblib says that a worker died; so does the run, with the job's name
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
            try:
                yield from calls
            except BrokenProcessPool:
                return


def _run_job_in_worker(driver: int, job: Job, place: Place, device: str, threads: int) -> Outcome:
    """As `run_job`, in a worker: the driver alone answers signals, and a worker ends with its driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _follow(driver)
    return run_job(job, place, device, threads)


_following = threading.Lock()


def _follow(driver: int) -> None:
    """End this process soon after its driver, which may be killed without a chance to end it."""
    if not _following.acquire(blocking=False):
        return  # a thread of an earlier job does so already

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=watch, name="follow-driver", daemon=True).start()
