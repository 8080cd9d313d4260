"""Runs in odd surroundings: a read-only folder, a clock that is moved back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.rooms import job_folders


@pytest.fixture
def read_only(tmp_path):
    """Give a function that makes a folder read-only, also for root."""
    mounted = []

    def make_read_only(folder):
        done = (
            sys.platform == "linux"
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True, check=False
            ).returncode
        )
        if not done:
            pytest.skip("no file system can be mounted here: it takes root on Linux")
        mounted.append(folder)

    yield make_read_only
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder_is_refused_before_any_work(asdkit, spec, tmp_path, read_only):
    folder = tmp_path / "sealed"
    folder.mkdir()
    read_only(folder)
    for command in (
        ("run", spec, "--out", folder / "run"),
        ("demo", "--out", folder / "demo"),
        ("init", tmp_path / "room", "-o", folder / "spec.toml"),
    ):
        ran = asdkit(*command)
        assert ran.returncode in (1, 2), ran.stdout
        assert "Read-only file system" in ran.stderr
        assert str(folder) in ran.stderr
        assert "Traceback" not in ran.stderr


BACK = """
import time
year = 365 * 24 * 3600
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() - year
time.time_ns = lambda: nanoseconds() - year * 10**9
"""


def test_finished_jobs_survive_a_clock_moved_back(asdkit, asdkit_command, finished, tmp_path):
    part = asdkit("run", finished, "--out", "part", "--machine", "fan")
    assert part.returncode == 0, part.stderr
    done = job_folders(tmp_path / "part")
    (tmp_path / "site" / "sitecustomize.py").write_text(BACK)
    rest = asdkit_command("run", finished, "--out", "part")
    assert rest.returncode == 0, rest.stderr
    assert f"{2 * len(done)} jobs, {len(done)} done" in rest.stderr
    after = job_folders(tmp_path / "part")
    assert {name: after[name] for name in done} == done
    assert (tmp_path / "part" / "scores.csv").read_bytes() == (tmp_path / "runs" / "small" / "scores.csv").read_bytes()
