"""Dask clusters: an existing scheduler, or a cluster started on this machine for the length of a run."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from asdkit.errors import AsdkitError, UsageError
from asdkit.run.resources import core_count
from asdkit.text import error_message
from asdkit.worker_process import end_with

_TIMEOUT_S = 10


@contextmanager
def dask_client(scheduler: str | None, *, workers: int = 1, threads: int = 1) -> Iterator[Any]:
    """Connect to a scheduler; without an address, start a cluster on loopback that ends with the run.

    Parameters
    ----------
    scheduler
        ``"tcp://host:port"`` or ``"tls://host:port"``; Dask's own configuration names the certificates for TLS.
    workers
        Processes of a cluster started here.
    threads
        Threads of each job on an existing cluster.

    Raises
    ------
    UsageError
        If Dask is not installed, the scheduler does not answer or has no workers, or these would need more cores than
        their hosts have.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("the backend dask needs Dask", hint="Install it: pip install 'asdkit[cluster]'") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the run reports what matters
    if scheduler is None:
        with _local_client(workers) as client:
            yield client
        return
    _require_certificate(scheduler)
    try:
        client = Client(scheduler, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise UsageError(
            f"no scheduler answers at {scheduler}: {error_message(error)}",
            hint="Start one with `dask scheduler`, workers with `dask worker ADDRESS --nthreads 1`, and set "
            "compute.scheduler to its address; without compute.scheduler the cluster is this machine alone.",
        ) from None
    try:
        _require_cores(client, scheduler, threads)
        yield client
    finally:
        client.close(timeout=1)


@contextmanager
def _local_client(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            preload=__name__,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def dask_setup(_worker: Any) -> None:
    """Set up a worker of a local cluster (Dask calls this): ignore signals, end with the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with(os.getppid())


def run_calls(client: Any, calls: Iterable[Callable[[], Any]]) -> Iterator[Any]:
    """Call functions on the workers of a cluster, be it one, and yield what they return as they end.

    joblib is no way to do this: with one worker it makes the calls in this process. What a call in which workers died
    returns is missing.

    Raises
    ------
    AsdkitError
        If the scheduler is lost.
    """
    from concurrent.futures import CancelledError

    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            futures = [client.submit(call, pure=False) for call in calls]
        for future in as_completed(futures, loop=client.loop):
            try:
                result = future.result()
            except KilledWorker:
                continue
            yield result
    except (CancelledError, FutureCancelledError, CommClosedError):
        raise AsdkitError(
            "lost the scheduler of the cluster; finished jobs are kept",
            hint="Run the same command again to continue, once it is back.",
        ) from None


def _require_certificate(scheduler: str) -> None:
    """Require that Dask's configuration names certificates for TLS; without one a client cannot even be closed."""
    if not scheduler.startswith("tls://"):
        return
    from distributed.security import Security

    try:
        context = Security().get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise UsageError(
            f"a certificate that Dask's configuration names cannot be read: {error}",
            hint="docs/scaling.md lists the variables that name the files.",
        ) from None
    if context is None:
        raise UsageError(
            f"{scheduler} needs a certificate, and Dask's configuration names none",
            hint="Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__TLS__CLIENT__CERT and ..__TLS__CLIENT__KEY; see "
            "docs/scaling.md.",
        )


def _require_cores(client: Any, scheduler: str, threads: int) -> None:
    """Require that each worker runs one job at a time, and that no host gets more threads than it has cores."""
    try:
        client.wait_for_workers(1, timeout=_TIMEOUT_S)
    except TimeoutError:
        raise UsageError(
            f"the scheduler at {scheduler} has no workers", hint=f"Start some: dask worker {scheduler} --nthreads 1"
        ) from None
    several_jobs = [address for address, n in client.nthreads().items() if n != 1]
    if several_jobs:
        raise UsageError(
            f"the worker {several_jobs[0]} runs several jobs in one process",
            hint="Start workers with --nthreads 1 (several of them with --nworkers); compute.threads sets the threads "
            "of a job.",
        )
    cores = client.run(core_count)
    workers = Counter(address.rpartition(":")[0] for address in cores)
    for address, host_cores in cores.items():
        host = address.rpartition(":")[0]
        if workers[host] * threads > host_cores:
            raise UsageError(
                f"{workers[host]} workers of {threads} threads on {host} are more than its {host_cores} cores",
                hint="Start fewer workers there, or set compute.threads.",
            )
