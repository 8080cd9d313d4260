"""One process at a time works in a run folder, or one for each shard of the run.

The ledger of jobs at work: who has a job, whether he lives, and how often it took its process down.

A finished job needs no entry: it lies under its final name, with digests. A job at work has a lease: a lock that the
kernel frees when its holder dies and, for folders whose locks do not reach other hosts, a record with a heartbeat.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from asdkit.errors import RunInUse
from asdkit.run.store import write_json

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from asdkit.run.plan import Shard


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


TRIES = 3
"""How often a job may take its process down before it is given up."""

BEAT_S = 5.0
STALE_S = 30.0
"""A record of another host that has not changed for so long is a dead process's (judged by our clock alone)."""

_RECORD = "lease.json"
_WAIT_S = 0.1


@dataclass(frozen=True)
class LeaseRecord:
    """What a lease says of its holder.

    Attributes
    ----------
    run
        Token of the driver that handed the job out.
    alone
        Whether nothing else ran in that process, nor in others that would die with it.
    deaths
        How often the job took its process down.
    got
        Time of the checkpoint that this attempt began from [ns]; 0: from the start.
    at_work
        False once the holder let go of the job without finishing it.
    beat
        Grows as long as the holder lives.
    """

    host: str
    pid: int
    run: str
    alone: bool
    deaths: int
    got: int
    at_work: bool = True
    beat: int = 0


def read_record(work: Path) -> LeaseRecord | None:
    """What the lease in a job's working folder says; None where there is none."""
    try:
        return LeaseRecord(**json.loads((work / _RECORD).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def suspect(work: Path) -> bool:
    """Whether a process died in the job, once its driver and workers are known to be dead."""
    return (work / _RECORD).exists()


class Lease:
    """The right to work on a job: one process at a time has it.

    Attributes
    ----------
    deaths
        How often the job took its process down before.
    """

    def __init__(self, work: Path, run: str, *, alone: bool) -> None:
        self._work = work
        self._mine = LeaseRecord(platform.node(), os.getpid(), run, alone, deaths=0, got=0)
        self._lock: BaseFileLock | None = None
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._seen: tuple[LeaseRecord, float] | None = None

    @property
    def deaths(self) -> int:
        """How often the job took its process down before."""
        return self._mine.deaths

    def acquire(self, give_up: Callable[[], bool]) -> bool:
        """Wait until nobody else has the job; False if `give_up` said so first."""
        while not self._try():
            if give_up():
                return False
            time.sleep(_WAIT_S)
        return True

    def _try(self) -> bool:
        from filelock import FileLock, Timeout

        self._work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._work / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        before = read_record(self._work)
        if before is not None and before.at_work and before.host != self._mine.host and not self._stale(before):
            lock.release()  # its locks do not reach us, perhaps, but its heart beats
            return False
        self._lock = lock
        self._mine = replace(self._mine, deaths=self._deaths(before), got=_got(self._work))
        self._write()
        self._heart.start()
        return True

    def _stale(self, record: LeaseRecord) -> bool:
        now = time.monotonic()
        if self._seen is None or self._seen[0] != record:
            self._seen = record, now
        return now - self._seen[1] >= STALE_S

    def _deaths(self, before: LeaseRecord | None) -> int:
        if before is None:
            return 0
        if not before.at_work:
            return before.deaths
        # A worker that died while its driver lived died of its job. Where the driver died as well, something else may
        # have killed both: that counts only if the job was alone and got no further than the attempt before.
        blamed = before.run == self._mine.run or (before.alone and before.got == _got(self._work))
        return before.deaths + blamed

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self._mine = replace(self._mine, beat=self._mine.beat + 1)
            self._write()

    def _write(self) -> None:
        # Not synced: after a power cut there is nobody left whom it could hold up.
        temporary = self._work / f".{_RECORD}"
        try:
            temporary.write_text(json.dumps(asdict(self._mine)))
            os.replace(temporary, self._work / _RECORD)
        except OSError:
            return  # a full disk may keep deaths from being counted, but no job from being done

    def release(self, *, forget: bool) -> None:
        """Let go of the job; `forget` the deaths counted, where it came to an end."""
        assert self._lock is not None
        self._ended.set()
        self._heart.join()
        if forget or not self._mine.deaths:
            (self._work / _RECORD).unlink(missing_ok=True)
        else:
            self._mine = replace(self._mine, at_work=False)
            self._write()
        self._lock.release()


def _got(work: Path) -> int:
    """When the latest checkpoint was kept [ns]; 0 where there is none."""
    return max((path.stat().st_mtime_ns for path in work.glob("checkpoint*")), default=0)
