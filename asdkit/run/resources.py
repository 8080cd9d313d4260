"""Cores and devices of this machine: how workers share them, and that no worker outlives its driver."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asdkit.spec import ComputeSettings


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def share(compute: ComputeSettings, cores: int) -> tuple[int, int, tuple[str, ...]]:
    """Workers, threads of each, and what to say where a spec asks for more than there are cores."""
    wanted = 1 if compute.backend == "sequential" else compute.workers
    threads = min(compute.threads or max(1, cores // wanted), cores)
    workers = min(wanted, cores // threads)
    if (workers, threads) == (wanted, compute.threads or threads):
        return workers, threads, ()
    asked = f"{wanted} workers of {compute.threads or threads} threads"
    return workers, threads, (f"{asked} would be more than {cores} cores: {workers} of {threads} are used",)


def follow(driver: int) -> None:
    """End this process with its driver, which may be killed without a chance to end it.

    On Linux the kernel does it at once; elsewhere, and should the driver be dead already, a thread notices.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=watch, name="follow-driver", daemon=True).start()


def device_of(wanted: str) -> str:
    """``"auto"`` is CUDA where there is a device for it, else the CPU."""
    if wanted != "auto":
        return wanted
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "cpu"  # no driver, so no need to import torch (seconds) to ask it
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
