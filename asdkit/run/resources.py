"""Cores, memory and device of this machine, and how workers share the cores."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from asdkit.spec import ComputeSettings


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def machine_memory() -> int | None:
    """Return the memory that this process may use [bytes]: the machine's, or less in a control group; None: unknown."""
    sizes = [*_cgroup_limits()]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    elif sys.platform == "win32":
        kibibytes = ctypes.c_ulonglong()
        if ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kibibytes)):
            sizes.append(kibibytes.value << 10)
    return min(sizes, default=None)


def _cgroup_limits(proc: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> Iterator[int]:
    """Yield the limits of memory of this process's control groups and of those around them (version 2 and 1)."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = mounted / controllers
        group = root / path.lstrip("/")
        for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(root))):
            try:
                # "max" in version 2; version 1 has a number above any memory
                yield int((folder / ("memory.limit_in_bytes" if controllers else "memory.max")).read_text())
            except (OSError, ValueError):
                continue


def share_cores(compute: ComputeSettings, cores: int) -> tuple[int, int, tuple[str, ...]]:
    """Return the number of workers, the threads of each, and a note if the spec asks for more than `cores`."""
    wanted = 1 if compute.backend == "sequential" else compute.workers
    threads = min(compute.threads or max(1, cores // wanted), cores)
    workers = min(wanted, cores // threads)
    if (workers, threads) == (wanted, compute.threads or threads):
        return workers, threads, ()
    request = f"{wanted} workers of {compute.threads or threads} threads"
    return workers, threads, (f"{request} would be more than {cores} cores: {workers} of {threads} are used",)


def select_device(device: str) -> str:
    """Return `device`; for ``"auto"``, ``"cuda"`` if there is a CUDA device, else ``"cpu"``."""
    if device != "auto":
        return device
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "cpu"  # without a driver, torch (seconds to import) need not be asked
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
