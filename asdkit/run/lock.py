"""One process at a time works in a run folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asdkit.errors import RunInUse


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder; the kernel lets go of it when this process dies, however it dies.

    Raises
    ------
    RunInUse
        At once, naming process and host, if another process holds it.
    """
    from filelock import FileLock, Timeout

    owner = folder / ".owner.json"
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUse(
            f"{folder} is in use by {_name(owner)}", hint="Wait for it, stop it, or choose another --out."
        ) from None
    try:
        owner.write_text(json.dumps({"pid": os.getpid(), "host": platform.node()}), encoding="utf-8")
        yield
    finally:
        lock.release()


def _name(owner: Path) -> str:
    try:
        value = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {value['pid']} on {value['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
