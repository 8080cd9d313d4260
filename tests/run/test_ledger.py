"""Who has a job, whether he lives, how often it took its process down; and what is done, to the bit."""

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
from asdkit.files import write_atomic
from asdkit.run import locks
from asdkit.run.locks import Lease
from asdkit.run.plan import Shard
from asdkit.run.resources import share_cores
from asdkit.run.store import has_lease, publish, read_lease, read_verified, unchanged, verify
from asdkit.spec import ComputeSettings
from tests.robustness.bits import show_store
from tests.robustness.figures import Figures


def never() -> bool:
    return False


def taken(work: Path, run: str = "a", *, alone: bool = False) -> Lease:
    lease = Lease(work, run, alone=alone)
    assert lease.acquire(lambda: True)
    return lease


def die_in(work: Path, run: str, *, alone: bool = False) -> None:
    """A process that takes the job and is killed in it."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom asdkit.run.locks import Lease\n"
        f"assert Lease(Path({str(work)!r}), {run!r}, alone={alone}).acquire(lambda: True)\nos.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def test_a_job_is_one_process_at_a_time_and_leaves_no_trace_when_it_ends(tmp_path: Path) -> None:
    first = taken(tmp_path)
    assert not Lease(tmp_path, "b", alone=False).acquire(lambda: True)
    first.release(forget=True)
    assert not has_lease(tmp_path)
    taken(tmp_path).release(forget=True)


def test_a_death_under_a_living_driver_counts_and_one_together_with_it_only_if_it_was_alone(tmp_path: Path) -> None:
    die_in(tmp_path, "a")
    assert has_lease(tmp_path)
    lease = taken(tmp_path, "a")
    assert lease.deaths == 1
    lease.release(forget=False)
    die_in(tmp_path, "b")  # its driver died as well, and others were at work: perhaps something else killed them
    lease = taken(tmp_path, "c", alone=True)
    assert lease.deaths == 1
    lease.release(forget=False)
    die_in(tmp_path, "d", alone=True)
    lease = taken(tmp_path, "e")
    assert lease.deaths == 2
    lease.release(forget=True)
    lease = taken(tmp_path, "f")
    assert lease.deaths == 0
    lease.release(forget=True)


def test_a_death_after_another_checkpoint_is_not_blamed_on_the_job(tmp_path: Path) -> None:
    die_in(tmp_path, "a", alone=True)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    lease = taken(tmp_path, "b")
    assert lease.deaths == 0
    lease.release(forget=True)


def test_another_hosts_job_is_waited_for_as_long_as_its_heart_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STALE_S", 0.3)
    record = {"host": "elsewhere", "pid": 1, "run": "x", "alone": False, "deaths": 0, "got": 0, "at_work": True}
    beats = 0

    def beat() -> bool:
        nonlocal beats
        if beats < 8:  # longer than it takes to be called dead
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


def test_a_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_S", 0.02)
    lease = taken(tmp_path)
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


def test_any_flipped_bit_of_a_finished_job_is_found(tmp_path: Path) -> None:
    figures = Figures()
    show_store(job(tmp_path), 1500, figures)
    assert not figures.missed


def test_a_copy_with_other_times_is_as_good_and_a_file_that_is_missing_is_not(tmp_path: Path) -> None:
    done = job(tmp_path)
    os.utime(done / "job.json")
    assert unchanged(done) is None
    assert len(read_verified(done, "job.json")) == 900
    (done / "scores.safetensors").unlink()
    assert "scores.safetensors is missing" in str(verify(done))


def test_of_two_that_did_the_same_job_the_first_stays_and_a_spoilt_one_is_replaced(tmp_path: Path) -> None:
    done = job(tmp_path)
    first = (done / "job.json").read_bytes()
    assert job(tmp_path) == done
    assert (done / "job.json").read_bytes() == first
    (done / "job.json").write_bytes(b"spoilt")
    job(tmp_path)
    assert verify(done) is None


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_no_temporary(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_workers_times_threads_never_exceeds_the_cores(
    settings: dict[str, object], cores: int, workers: int, threads: int
) -> None:
    found = share_cores(ComputeSettings.model_validate(settings), cores)
    assert found[:2] == (workers, threads)
    asked = (settings["workers"], settings.get("threads", threads))
    assert bool(found[2]) == (asked != (workers, threads) and settings.get("backend") != "sequential")


def test_shards_share_a_plan_out_whole_and_evenly() -> None:
    class Job:
        def __init__(self, machine: int, detector: int) -> None:
            self.key = self.title = f"{machine} {detector}"

    jobs = [Job(machine, detector) for machine in range(20) for detector in range(4)]
    shares = [Shard(index, 7).picks(jobs) for index in range(1, 8)]
    assert sorted(job.key for share in shares for job in share) == sorted(job.key for job in jobs)
    assert {len(share) for share in shares} == {11, 12}
    assert all(len({job.title[-1] for job in share}) > 1 for share in shares)
