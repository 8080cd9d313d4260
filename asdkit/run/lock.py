"""One process at a time works in a run folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asdkit.errors import RunInUse

OWNER = ".owner.json"
"""Marks a folder as a run's, and says which process has it or had it last."""

_ORPHANS_S = 0.5  # longer than a worker takes to notice that its driver died


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder; the kernel lets go of it when this process dies, however it dies.

    Raises
    ------
    RunInUse
        At once, naming process and host, if another process holds it.
    """
    from filelock import FileLock, Timeout

    owner = folder / OWNER
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUse(
            f"{folder} is in use by {_name(owner)}", hint="Wait for it, stop it, or choose another --out."
        ) from None
    try:
        if owner.exists() and owner.stat().st_size:
            time.sleep(_ORPHANS_S)  # the last process did not end by itself; its workers end soon after it
        owner.write_text(json.dumps({"pid": os.getpid(), "host": platform.node()}), encoding="utf-8")
        yield
        owner.write_text("")
    finally:
        lock.release()


def _name(owner: Path) -> str:
    try:
        value = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {value['pid']} on {value['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
