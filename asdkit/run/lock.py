"""One process at a time works in a run folder, or one for each shard of the run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from asdkit.errors import RunInUse
from asdkit.run.files import write_json

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from asdkit.run.shards import Shard

_OWNER, _LOCK = ".owner", ".asdkit-lock"
_STARTING_S = 0.3  # while a shard starts, it holds the lock of the whole run


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (folder / _LOCK).exists()


def mark_run(folder: Path) -> None:
    """Make a folder a run's, before anything else is in it: several shards may begin in it at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _LOCK).touch()


def require_free(folder: Path, shard: Shard | None) -> None:
    """See at once that no other process has the run folder; it may be taken right after.

    Raises
    ------
    RunInUse
        Naming process and host.
    """
    if is_run(folder):
        with suppress(OSError), _held(folder, shard):  # a folder that cannot be written is told later
            pass


@contextmanager
def locked(folder: Path, shard: Shard | None) -> Iterator[None]:
    """Hold the run folder, or one shard's share in it; the kernel lets go when this process dies, however it dies.

    Raises
    ------
    RunInUse
        At once, naming process and host, if another process holds it.
    """
    with _held(folder, shard):
        write_json(folder / f"{_OWNER}{_mark(shard)}.json", {"pid": os.getpid(), "host": platform.node()})
        yield


@contextmanager
def _held(folder: Path, shard: Shard | None) -> Iterator[None]:
    whole = _take(folder, "", _STARTING_S)
    try:
        if shard is None:
            for lock in sorted(folder.glob(f"{_LOCK}-*")):
                _take(folder, lock.name.removeprefix(_LOCK)).release()
            yield
            return
        mine = _take(folder, _mark(shard))
    finally:
        whole.release()
    try:
        yield
    finally:
        mine.release()


def _mark(shard: Shard | None) -> str:
    return "" if shard is None else f"-{shard.index}-of-{shard.of}"


def _take(folder: Path, mark: str, patience: float = 0.0) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f"{_LOCK}{mark}", timeout=patience, poll_interval=0.02)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUse(
            f"{folder} is in use by {_name(folder / f'{_OWNER}{mark}.json')}",
            hint="Wait for it, stop it, or choose another --out.",
        ) from None
    return lock


def _name(owner: Path) -> str:
    try:
        value = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {value['pid']} on {value['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
