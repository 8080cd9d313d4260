"""Job leases, manifests of finished jobs, atomic files, and the division of a plan into shards."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asdkit import files
from asdkit.errors import AsdkitError, RunInUse
from asdkit.files import write_atomic
from asdkit.run import locks
from asdkit.run.locks import Lease
from asdkit.run.plan import Shard
from asdkit.run.resources import share_cores
from asdkit.run.store import has_lease, publish, read_lease, read_verified, unchanged, verify
from asdkit.spec import ComputeSettings
from tests.helpers.bits import count_found_flips


def never() -> bool:
    return False


def acquired(work: Path, run: str = "a", *, alone: bool = False) -> Lease:
    lease = Lease(work, run, alone=alone)
    assert lease.acquire(lambda: True)
    return lease


def die_in(work: Path, run: str, *, alone: bool = False) -> None:
    """Let a process acquire the job and be killed."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom asdkit.run.locks import Lease\n"
        f"assert Lease(Path({str(work)!r}), {run!r}, alone={alone}).acquire(lambda: True)\nos.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def test_lease_is_exclusive_and_removed_at_the_end(tmp_path: Path) -> None:
    first = acquired(tmp_path)
    assert not Lease(tmp_path, "b", alone=False).acquire(lambda: True)
    first.release(forget=True)
    assert not has_lease(tmp_path)
    acquired(tmp_path).release(forget=True)


@pytest.mark.skipif(os.name == "nt", reason="fcntl")
@pytest.mark.parametrize("code", ["EACCES", "EAGAIN"])
def test_lock_that_is_never_free_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    import fcntl

    def fail(*_: object) -> None:
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    locks.mark_run(tmp_path)
    monkeypatch.setattr(fcntl, "flock", fail)
    for shard in (None, Shard(1, 2)):
        begin = time.monotonic()
        with pytest.raises(RunInUse, match="in use by another process") as refused, locks.locked(tmp_path, shard):
            pass
        assert time.monotonic() - begin < 5
        assert "If there is no such process" in refused.value.hint
        assert "local disk" in refused.value.hint
    tries = iter([False, False, True])
    assert not Lease(tmp_path / "job", "a", alone=False).acquire(lambda: next(tries))
    monkeypatch.undo()
    with locks.locked(tmp_path, None):
        acquired(tmp_path / "job").release(forget=True)


@pytest.mark.skipif(os.name == "nt", reason="fcntl")
@pytest.mark.parametrize("call", ["open", "flock"])
@pytest.mark.parametrize("code", ["ENOSYS", "ENOLCK", "ENOTSUP", "EINVAL", "EIO", "EPERM", "EROFS", "ESTALE"])
def test_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: str
) -> None:
    import fcntl

    original = {"open": os.open, "flock": fcntl.flock}[call]

    def fail(file: object, *rest: object, **more: object) -> object:
        if isinstance(file, int) or str(file).endswith("lock"):
            raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
        return original(file, *rest, **more)

    locks.mark_run(tmp_path)
    monkeypatch.setattr(os if call == "open" else fcntl, call, fail)
    for _ in range(2):  # the second time as the first, whatever the first left behind
        for shard in (None, Shard(1, 2)):
            with pytest.raises(AsdkitError, match="cannot lock") as refused, locks.locked(tmp_path, shard):
                pass
            assert not isinstance(refused.value, RunInUse)
            assert os.strerror(getattr(errno, code)) in refused.value.message
            assert "local disk" in refused.value.hint
        with pytest.raises(AsdkitError, match="cannot lock"):
            locks.require_free(tmp_path, None)
        with pytest.raises(AsdkitError, match="cannot lock"):
            Lease(tmp_path / "job", "a", alone=False).acquire(never)
    monkeypatch.undo()
    with locks.locked(tmp_path, None):
        acquired(tmp_path / "job").release(forget=True)


def test_unlock_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    locks.mark_run(tmp_path)
    monkeypatch.setattr(FileLock, "release", fail)
    with locks.locked(tmp_path, None):
        acquired(tmp_path / "job").release(forget=True)


def test_death_with_its_driver_counts_only_if_alone(tmp_path: Path) -> None:
    die_in(tmp_path, "a")
    assert has_lease(tmp_path)
    lease = acquired(tmp_path, "a")
    assert lease.deaths == 1
    lease.release(forget=False)
    die_in(tmp_path, "b")  # with its driver, while others were at work: something else may have killed both
    lease = acquired(tmp_path, "c", alone=True)
    assert lease.deaths == 1
    lease.release(forget=False)
    die_in(tmp_path, "d", alone=True)
    lease = acquired(tmp_path, "e")
    assert lease.deaths == 2
    lease.release(forget=True)
    lease = acquired(tmp_path, "f")
    assert lease.deaths == 0
    lease.release(forget=True)


def test_death_after_a_new_checkpoint_does_not_count(tmp_path: Path) -> None:
    die_in(tmp_path, "a", alone=True)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    lease = acquired(tmp_path, "b")
    assert lease.deaths == 0
    lease.release(forget=True)


def test_lease_of_another_host_holds_while_it_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "STALE_S", 0.3)
    record = {"host": "elsewhere", "pid": 1, "run": "x", "alone": False, "deaths": 0, "got": 0, "at_work": True}
    beats = 0

    def beat() -> bool:
        nonlocal beats
        if beats < 8:  # for longer than a dead process is waited for
            beats += 1
            (tmp_path / "lease.json").write_text(json.dumps({**record, "beat": beats}))
        return False

    beat()
    begin = time.monotonic()
    lease = Lease(tmp_path, "a", alone=False)
    assert lease.acquire(beat)
    assert beats == 8
    assert time.monotonic() - begin >= 0.3
    lease.release(forget=True)


def test_lease_has_a_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_S", 0.02)
    lease = acquired(tmp_path)
    end = time.monotonic() + 10
    while (record := read_lease(tmp_path)) is None or record.heartbeat < 3:
        assert time.monotonic() < end
    lease.release(forget=True)


def job(folder: Path) -> Path:
    work = folder / "work"
    work.mkdir()
    for name, size in (("state.safetensors", 3000), ("scores.safetensors", 300), ("job.json", 900)):
        (work / name).write_bytes(os.urandom(size))
    publish(work, folder / "jobs" / "job")
    return folder / "jobs" / "job"


def test_any_flipped_bit_of_a_job_is_found(tmp_path: Path) -> None:
    assert count_found_flips(job(tmp_path), 1500) == (1500, 1500)


def test_copied_job_is_intact_unless_a_file_is_missing(tmp_path: Path) -> None:
    done = job(tmp_path)
    os.utime(done / "job.json")
    assert unchanged(done) is None
    assert len(read_verified(done, "job.json")) == 900
    (done / "scores.safetensors").unlink()
    assert "scores.safetensors is missing" in str(verify(done))


def test_first_of_two_results_stays_unless_damaged(tmp_path: Path) -> None:
    done = job(tmp_path)
    first = (done / "job.json").read_bytes()
    assert job(tmp_path) == done
    assert (done / "job.json").read_bytes() == first
    (done / "job.json").write_bytes(b"spoilt")
    job(tmp_path)
    assert verify(done) is None


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_failed_write_leaves_the_old_file_alone(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "results.json"
    write_atomic(path, b"old")
    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("settings", "cores", "workers", "threads"),
    [
        ({"workers": 1}, 4, 1, 4),
        ({"workers": 2}, 4, 2, 2),
        ({"workers": 8}, 4, 4, 1),
        ({"workers": 2, "threads": 4}, 4, 1, 4),
        ({"workers": 3, "threads": 8}, 4, 1, 4),
        ({"workers": 3, "backend": "sequential"}, 4, 1, 4),
    ],
)
def test_workers_times_threads_never_exceed_cores(
    settings: dict[str, object], cores: int, workers: int, threads: int
) -> None:
    found = share_cores(ComputeSettings.model_validate(settings), cores)
    assert found[:2] == (workers, threads)
    asked = (settings["workers"], settings.get("threads", threads))
    assert bool(found[2]) == (asked != (workers, threads) and settings.get("backend") != "sequential")


def test_shards_divide_a_plan_evenly() -> None:
    class Job:
        def __init__(self, machine: int, detector: int) -> None:
            self.key = self.title = f"{machine} {detector}"

    jobs = [Job(machine, detector) for machine in range(20) for detector in range(4)]
    shares = [Shard(index, 7).picks(jobs) for index in range(1, 8)]
    assert sorted(job.key for share in shares for job in share) == sorted(job.key for job in jobs)
    assert {len(share) for share in shares} == {11, 12}
    assert all(len({job.title[-1] for job in share}) > 1 for share in shares)
