"""Failures in a run: plugins that raise or end their process, interrupts, kills; other jobs finish and are kept."""

from __future__ import annotations

import re
import shutil
import signal
import time

import numpy as np
import pytest

from tests.helpers.packages import install
from tests.helpers.processes import processes, start_run, wait_for
from tests.helpers.rooms import job_folders, results_of


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "ValueError: no good"),
        ("nan", "NaN or infinite"),
        ("nan state", "state: 'scale' holds NaN or infinite numbers"),
        ("exit", "SystemExit: 3"),
        ("memory", "Unable to allocate"),
    ],
)
def test_a_failing_detector_fails_its_jobs_alone(asdkit, faulty_spec, tmp_path, how, message):
    ran = asdkit("run", faulty_spec, "--set", f'detectors.F.how="{how}"')
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    run = tmp_path / "runs" / "small"
    failed = results_of(run)["failed"]
    assert set(failed) == {"fan F", "pump F"}
    assert all(message in text for text in failed.values())
    logs = [p.read_text() for p in run.glob("work/*/*/log.txt")]
    assert len(logs) == 2
    assert all("Traceback" in log for log in logs)
    assert len(job_folders(run)) == 6
    assert {f["name"] for f in results_of(run)["results"]} == {"S", "S4", "long", "one", "both"}


def test_a_job_that_kills_workers_is_given_up(asdkit_command, faulty_spec, tmp_path):
    ran = asdkit_command("run", faulty_spec, "--set", 'detectors.F.how="die"', "--set", "compute.workers=2")
    assert ran.returncode == 1, ran.stderr
    run = tmp_path / "runs" / "small"
    failed = results_of(run)["failed"]
    assert set(failed) == {"fan F", "pump F"}
    assert all("died 3 times" in text for text in failed.values())
    assert len(job_folders(run)) == 6


def test_a_job_that_ends_the_driver_is_given_up(asdkit_command, faulty_spec, tmp_path):
    ran = asdkit_command("run", faulty_spec, "--set", 'detectors.F.how="die"')
    assert ran.returncode == 1, ran.stderr
    assert "going on" in ran.stderr
    failed = results_of(tmp_path / "runs" / "small")["failed"]
    assert set(failed) == {"fan F", "pump F"}
    assert all("died 3 times" in text for text in failed.values())
    assert len(job_folders(tmp_path / "runs" / "small")) == 6


def test_workers_that_die_before_any_job_are_given_up(asdkit_command, spec, tmp_path):
    install(tmp_path / "site", "asdkit-gone", {"asdkit_gone.py": GONE}, {"gone": "asdkit_gone"})
    spec.write_text(spec.read_text().replace("[systems.one]", '[detectors.F]\nuse = "gone"\n\n[systems.one]'))
    ran = asdkit_command("run", spec, "--set", "compute.workers=2")
    assert ran.returncode == 1, ran.stderr
    assert {"fan F", "pump F"} <= set(results_of(tmp_path / "runs" / "small")["failed"])


GONE = """
import os, sys
from asdkit.api import Entry, hookimpl
if "loky" in " ".join(sys.orig_argv):
    os._exit(1)
from asdkit_mean_spectrum import Spectrum, SpectrumConfig

class Config(SpectrumConfig):
    pass

class Gone(Spectrum):
    pass

@hookimpl
def asdkit_detectors():
    return [Entry("gone", Config, "asdkit_gone:Gone", defaults={"frames": 5})]
"""

FUSER = """
from asdkit.api import Config, Entry, hookimpl
class Fuser:
    def __init__(self, config): pass
    def fit(self, scores, ids): raise SystemExit(5)
@hookimpl
def asdkit_fusers():
    return [Entry("broken", Config, Fuser)]
"""


def test_a_failing_fuser_fails_its_systems_alone(asdkit, finished, tmp_path):
    install(tmp_path / "site", "asdkit-fuser", {"asdkit_fuser.py": FUSER}, {"fuser": "asdkit_fuser"})
    ran = asdkit("run", finished, "--set", 'systems.both.fuser={use="broken"}')
    assert ran.returncode == 1, ran.stderr
    results = results_of(tmp_path / "runs" / "small")
    assert set(results["failed"]) == {"fan both", "pump both"}
    assert {r["name"] for r in results["results"]} == {"S", "S4", "long", "one"}


def start_slow_run(spec, folder, *args):
    """Start a run; return it once its slow job is at work."""
    process = start_run(folder, spec, "--set", 'detectors.F.how="slow"', *args)
    run = folder / "runs" / "small"
    wait_for(lambda: any('"epoch"' in p.read_text() for p in run.glob("work/fan/*/progress.json")))
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_stops_soon_and_resumes(asdkit, faulty_spec, tmp_path, number, code):
    process = start_slow_run(faulty_spec, tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    run = tmp_path / "runs" / "small"
    kept = job_folders(run)
    assert len(kept) >= 3
    ran = asdkit("run", faulty_spec)
    assert ran.returncode == 1  # F now raises at once
    assert {k: v for k, v in job_folders(run).items() if k in kept} == kept


def test_a_second_run_in_the_folder_is_refused(asdkit, faulty_spec, tmp_path):
    process = start_slow_run(faulty_spec, tmp_path)
    try:
        for args in ((), ("--shard", "1/2")):
            refused = asdkit("run", faulty_spec, *args)
            assert refused.returncode == 6
            named = re.search(r"is in use by process (\d+) on ", refused.stderr)
            assert named is not None, refused.stderr
            assert int(named[1]) in processes(process.pid)
    finally:
        process.kill()
        process.communicate()
    third = asdkit("run", faulty_spec)
    assert third.returncode == 1, third.stderr  # the kernel has released the lock


def test_a_run_killed_at_any_moment_resumes_with_the_same_scores(asdkit, finished, tmp_path):
    scores = (tmp_path / "runs" / "small" / "scores.csv").read_bytes()
    rng = np.random.default_rng(0)
    for attempt in range(6):
        process = start_run(tmp_path, finished, "--out", "killed")
        time.sleep(float(rng.uniform(0.5, 3.0)))
        process.kill()
        process.communicate()
        done = job_folders(tmp_path / "killed")
        if attempt % 2:
            continue
        ran = asdkit("run", finished, "--out", "killed")
        assert ran.returncode == 0, ran.stderr
        after = job_folders(tmp_path / "killed")
        assert {k: after[k] for k in done} == done
        assert (tmp_path / "killed" / "scores.csv").read_bytes() == scores
        for folder in (tmp_path / "killed" / "jobs").glob("*/*"):
            if folder.name not in done:
                shutil.rmtree(folder)


def test_an_idle_worker_ends_with_its_driver(faulty_spec, tmp_path):
    first = start_slow_run(faulty_spec, tmp_path, "--machine", "fan")
    first.kill()
    first.communicate()
    # A process died in the job, so it now runs alone: one of two workers is idle.
    second = start_slow_run(faulty_spec, tmp_path, "--machine", "fan")
    wait_for(lambda: sum("LokyProcess" in line for line in processes(second.pid).values()) == 2)
    second.kill()
    second.wait()
    wait_for(lambda: not processes(second.pid), seconds=30)  # without its driver, a worker would wait for minutes
    second.communicate()
