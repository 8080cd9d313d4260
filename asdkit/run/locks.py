"""Locks of run folders, and job leases: owner, heartbeat, number of crashes.

One process at a time works in a run folder, or one for each shard of the run. Within it, a job at work has a lease: a
lock that the kernel releases when its holder dies and, for folders on hosts that do not share locks, a record with a
heartbeat. A finished job needs neither: it has its final name and a manifest.
"""

from __future__ import annotations

import errno
import os
import platform
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdkit.errors import AsdkitError, RunInUse
from asdkit.run.plan import Shard
from asdkit.run.records import LeaseRecord, OwnerRecord
from asdkit.run.store import RunPaths, checkpoint_time, read_lease, read_owner, remove_lease, write_lease, write_owner

if TYPE_CHECKING:
    from filelock import BaseFileLock

TRIES = 3
"""How often a process may die in a job before the job is given up."""

BEAT_S = 5.0
STALE_S = 30.0
"""A lease of another host whose record has not changed for so long belongs to a dead process; by our clock alone."""

_STARTUP_S = 0.3  # how long a shard holds the lock of the whole run while it starts
_POLL_S = 0.1


def is_run(folder: Path) -> bool:
    """Whether a folder is a run folder."""
    return RunPaths(folder).lock.exists()


def mark_run(folder: Path) -> None:
    """Make a folder a run folder before anything else is in it: several shards may start in it at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    RunPaths(folder).lock.touch()


def require_free(folder: Path, shard: Shard | None) -> None:
    """Require that no other process works in the run folder now; one may start right after.

    Raises
    ------
    RunInUse
        Naming process and host.
    AsdkitError
        If the folder cannot be locked.
    """
    if is_run(folder):
        with _held(folder, shard):
            pass


@contextmanager
def locked(folder: Path, shard: Shard | None) -> Iterator[None]:
    """Hold the lock of a run folder, or of one shard in it; the kernel releases it however this process ends.

    Raises
    ------
    RunInUse
        At once, naming process and host, if another process holds it.
    AsdkitError
        If the folder cannot be locked.
    """
    with _held(folder, shard):
        write_owner(_paths(folder, shard), OwnerRecord(pid=os.getpid(), host=platform.node()))
        yield


@contextmanager
def _held(folder: Path, shard: Shard | None) -> Iterator[None]:
    whole = _acquire(RunPaths(folder), _STARTUP_S)
    try:
        if shard is None:
            for lock in sorted(folder.glob(f"{RunPaths(folder).lock.name}-*")):
                _release(_acquire(RunPaths(folder, lock.name.removeprefix(RunPaths(folder).lock.name))))
            yield
            return
        own = _acquire(_paths(folder, shard))
    finally:
        _release(whole)
    try:
        yield
    finally:
        _release(own)


def _paths(folder: Path, shard: Shard | None) -> RunPaths:
    return RunPaths(folder, "" if shard is None else shard.mark)


def _acquire(paths: RunPaths, patience: float = 0.0) -> BaseFileLock:
    lock = _try_lock(paths.lock, patience)
    if lock is None:
        owner = read_owner(paths)
        who = "another process" if owner is None else f"process {owner.pid} on {owner.host}"
        raise RunInUse(
            f"{paths.folder} is in use by {who}",
            hint="Wait for it, stop it, or choose another --out. If there is no such process, its file system does not "
            "release locks: choose an --out on a local disk.",
        )
    return lock


def _try_lock(path: Path, patience: float = 0.0) -> BaseFileLock | None:
    """Acquire a lock of the kernel; None if another process holds it.

    filelock replaces a lock that the system does not implement by a mere file, which outlives a killed process and
    may be there already. No such lock is used: it is refused.

    Raises
    ------
    AsdkitError
        If the file cannot be locked.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    lock = FileLock(path, timeout=patience, poll_interval=0.02)
    reason, held = "", False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*falling back to SoftFileLock")
        try:
            lock.acquire()
        except Timeout:
            held = True
        except OSError as error:
            reason = error.strerror or str(error)
        except NotImplementedError:  # early versions of filelock
            reason = os.strerror(errno.ENOSYS)
    if isinstance(lock, SoftFileLock):
        _release(lock)
        path.touch()  # releasing removed it
        reason = os.strerror(errno.ENOSYS)
    if reason:
        raise AsdkitError(
            f"cannot lock {path}: {reason}",
            hint="Choose an --out on a local disk: not every network file system has working locks.",
        )
    return None if held else lock


def _release(lock: BaseFileLock) -> None:
    """Release a lock; the kernel releases one that cannot be released when this process ends."""
    with suppress(OSError):
        lock.release()


class Lease:
    """The exclusive right of one process to work on a job.

    `died_in` is the call of a plugin in which a process died in the job before; empty if it is not known.

    Parameters
    ----------
    work
        The job's working folder.
    run
        Token of the driver that hands the job out.
    alone
        True if no other job runs in this process or in a process that would die together with it.
    """

    def __init__(self, work: Path, run: str, *, alone: bool) -> None:
        self._work = work
        self._record = LeaseRecord(host=platform.node(), pid=os.getpid(), run=run, alone=alone, deaths=0, checkpoint=0)
        self._lock: BaseFileLock | None = None
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._last_seen: tuple[LeaseRecord, float] | None = None
        self._writing = threading.Lock()
        self.died_in = ""

    @property
    def deaths(self) -> int:
        """How often a process died in the job before."""
        return self._record.deaths

    def record_call(self, call: str) -> None:
        """Write which call of a plugin is at work: it is reported if the process dies in it."""
        self._update(call=call)

    def acquire(self, give_up: Callable[[], bool]) -> bool:
        """Wait until no other process has the job; False if `give_up` returns True first.

        Raises
        ------
        AsdkitError
            If the job's folder cannot be locked. The record alone would not do: two processes may write it at once.
        """
        while not self._try():
            if give_up():
                return False
            time.sleep(_POLL_S)
        return True

    def release(self, *, forget: bool) -> None:
        """Release the job; `forget` the number of deaths if the job came to an end."""
        assert self._lock is not None
        self._ended.set()
        self._heart.join()
        if forget or not self._record.deaths:
            remove_lease(self._work)
        else:
            self._update(at_work=False, call=self.died_in)
        _release(self._lock)

    def _try(self) -> bool:
        self._work.mkdir(parents=True, exist_ok=True)
        lock = _try_lock(self._work / ".lock")
        if lock is None:
            return False
        before = read_lease(self._work)
        self.died_in = before.call if before is not None else ""
        if before is not None and before.at_work and before.host != self._record.host and not self._stale(before):
            _release(lock)  # the other host may not share our locks, but its process is alive
            return False
        self._lock = lock
        self._update(deaths=self._count_deaths(before), checkpoint=checkpoint_time(self._work), call=self.died_in)
        self._heart.start()
        return True

    def _stale(self, record: LeaseRecord) -> bool:
        now = time.monotonic()
        if self._last_seen is None or self._last_seen[0] != record:
            self._last_seen = record, now
        return now - self._last_seen[1] >= STALE_S

    def _count_deaths(self, before: LeaseRecord | None) -> int:
        if before is None:
            return 0
        if not before.at_work:
            return before.deaths
        # If a worker died but its driver did not, the job caused the death. If both died, the cause may be something
        # else: the death counts only if the job ran alone and the attempt stored no new checkpoint.
        same_driver = before.run == self._record.run
        blamed = same_driver or (before.alone and before.checkpoint == checkpoint_time(self._work))
        return before.deaths + blamed

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self._update(heartbeat=self._record.heartbeat + 1)

    def _update(self, **values: Any) -> None:
        with self._writing, suppress(OSError):
            # A full disk may keep deaths from being counted, but not the job from being done.
            self._record = self._record.model_copy(update=values)
            write_lease(self._work, self._record)
