"""A Dask cluster: an existing scheduler's, or one started on this machine for the length of a run."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asdkit.errors import UsageError
from asdkit.run.resources import cores, follow
from asdkit.text import error_message

_TIMEOUT_S = 10


@contextmanager
def cluster(scheduler: str | None, *, workers: int = 1, threads: int = 1) -> Iterator[Any]:
    """Client of a scheduler; of one started on loopback, which ends with the run, where no address is given.

    Parameters
    ----------
    scheduler
        ``"tcp://host:port"`` or ``"tls://host:port"``; what certificates TLS needs, Dask's own configuration says.
    workers
        Processes of a cluster started here.
    threads
        Threads of each job on an existing cluster.

    Raises
    ------
    UsageError
        If Dask is not installed, the scheduler does not answer or has no workers, or its workers would not fit.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError("the backend dask needs Dask", hint="Install it: pip install 'asdkit[cluster]'") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters to a run, the run says itself
    if scheduler is None:
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
        return
    _require_certificate(scheduler)
    try:
        client = Client(scheduler, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise UsageError(
            f"no scheduler answers at {scheduler}: {error_message(error)}",
            hint="Start one with `dask scheduler`, workers with `dask worker ADDRESS --nthreads 1`, and name its "
            "address in compute.scheduler; leave that out for a cluster on this machine alone.",
        ) from None
    try:
        _require_room(client, scheduler, threads)
        yield client
    finally:
        client.close(timeout=1)


def _require_certificate(scheduler: str) -> None:
    """TLS takes a certificate, which Dask's configuration names; without one a client cannot even be closed."""
    if not scheduler.startswith("tls://"):
        return
    from distributed.security import Security

    try:
        context = Security().get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise UsageError(
            f"a certificate that Dask's configuration names cannot be read: {error}",
            hint="docs/scaling.md says which variables name the files.",
        ) from None
    if context is None:
        raise UsageError(
            f"{scheduler} takes a certificate, and Dask's configuration names none",
            hint="Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__TLS__CLIENT__CERT and ..__TLS__CLIENT__KEY, as "
            "docs/scaling.md says.",
        )


def dask_setup(_worker: Any) -> None:
    """In a worker of a cluster started here, before any job: the driver alone answers signals, and it ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    follow(os.getppid())


def _require_room(client: Any, scheduler: str, threads: int) -> None:
    """Workers run one job at a time, and on no host more threads than it has cores."""
    try:
        client.wait_for_workers(1, timeout=_TIMEOUT_S)
    except TimeoutError:
        raise UsageError(
            f"the scheduler at {scheduler} has no workers", hint=f"Start some: dask worker {scheduler} --nthreads 1"
        ) from None
    several = [address for address, n in client.nthreads().items() if n != 1]
    if several:
        raise UsageError(
            f"the worker {several[0]} runs several jobs in one process",
            hint="Start workers with --nthreads 1 (several of them with --nworkers); compute.threads says how many "
            "threads a job has.",
        )
    held = client.run(cores)
    by_host = Counter(address.rpartition(":")[0] for address in held)
    for address, there in held.items():
        host = address.rpartition(":")[0]
        if by_host[host] * threads > there:
            raise UsageError(
                f"{by_host[host]} workers of {threads} threads on {host} are more than its {there} cores",
                hint="Start fewer workers there, or set compute.threads.",
            )


def lost_workers() -> tuple[type[BaseException], ...]:
    """Errors by which Dask tells that jobs took their workers down."""
    if "distributed" not in sys.modules:
        return ()
    from distributed import KilledWorker

    return (KilledWorker,)


def lost_scheduler() -> tuple[type[BaseException], ...]:
    """Errors by which Dask tells that its scheduler is gone."""
    if "distributed" not in sys.modules:
        return ()
    from concurrent.futures import CancelledError

    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    return (CancelledError, FutureCancelledError, CommClosedError)
