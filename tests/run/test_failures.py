"""What goes wrong in a run: plugins that fail or end their process, interrupts, kills; the rest is done and kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers.rooms import job_folders, results_of
from tests.robustness.rooms import processes


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "ValueError: no good"),
        ("nan", "NaN or infinite"),
        ("exit", "SystemExit: 3"),
        ("memory", "Unable to allocate"),
    ],
)
def test_a_detector_that_fails_fails_its_jobs_alone(asdkit_command, faulty_spec, tmp_path, how, message):
    ran = asdkit_command("run", faulty_spec, "--set", f'detectors.F.how="{how}"')
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


def test_a_job_that_kills_its_worker_is_reported_after_three_tries_and_the_rest_finish(
    asdkit_command, faulty_spec, tmp_path
):
    ran = asdkit_command("run", faulty_spec, "--set", 'detectors.F.how="die"', "--set", "compute.workers=2")
    assert ran.returncode == 1, ran.stderr
    run = tmp_path / "runs" / "small"
    failed = results_of(run)["failed"]
    assert set(failed) == {"fan F", "pump F"}
    assert all("died 3 times" in text for text in failed.values())
    assert len(job_folders(run)) == 6


def test_a_job_that_kills_the_driver_itself_is_run_in_a_worker_next_time_and_the_rest_finish(
    asdkit_command, faulty_spec, tmp_path
):
    killed = asdkit_command("run", faulty_spec, "--set", 'detectors.F.how="die"')
    assert killed.returncode == -9
    ran = asdkit_command("run", faulty_spec, "--set", 'detectors.F.how="die"', "--machine", "fan")
    assert ran.returncode == 1, ran.stderr
    assert "died 3 times" in results_of(tmp_path / "runs" / "small")["failed"]["fan F"]


def test_workers_that_die_before_any_job_begins_are_given_up(asdkit_command, spec, tmp_path):
    from tests.helpers.packages import install

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
from asdkit_spectrum import Spectrum, SpectrumConfig

class Config(SpectrumConfig):
    pass

class Gone(Spectrum):
    pass

@hookimpl
def asdkit_detectors():
    return [Entry("gone", Config, "asdkit_gone:Gone", defaults={"frames": 5})]
"""


def test_a_fuser_that_fails_costs_its_systems_alone(asdkit_command, spec, tmp_path):
    from tests.helpers.packages import install

    source = """
from asdkit.api import Config, Entry, hookimpl
class Fuser:
    def __init__(self, config): pass
    def fit(self, scores, ids): raise SystemExit(5)
@hookimpl
def asdkit_fusers():
    return [Entry("broken", Config, Fuser)]
"""
    install(tmp_path / "site", "asdkit-fuser", {"asdkit_fuser.py": source}, {"fuser": "asdkit_fuser"})
    ran = asdkit_command("run", spec, "--set", 'systems.both.fuser={use="broken"}')
    assert ran.returncode == 1, ran.stderr
    results = results_of(tmp_path / "runs" / "small")
    assert set(results["failed"]) == {"fan both", "pump both"}
    assert {r["name"] for r in results["results"]} == {"S", "S4", "long", "one"}


def start(spec, tmp_path, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "asdkit", "run", str(spec), *more],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_stops_soon_says_how_to_go_on_and_goes_on(
    asdkit_command, faulty_spec, tmp_path, number, code
):
    process = start(faulty_spec, tmp_path, "--set", 'detectors.F.how="slow"')
    run = tmp_path / "runs" / "small"
    wait_for(lambda: any('"epoch"' in p.read_text() for p in run.glob("work/fan/*/progress.json")))
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    kept = job_folders(run)
    assert len(kept) >= 3
    ran = asdkit_command("run", faulty_spec)
    assert ran.returncode == 1  # now its detector raises at once
    assert {k: v for k, v in job_folders(run).items() if k in kept} == kept


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_is_named(asdkit_command, faulty_spec, tmp_path):
    process = start(faulty_spec, tmp_path, "--set", 'detectors.F.how="slow"')
    try:
        run = tmp_path / "runs" / "small"
        wait_for(lambda: any('"epoch"' in p.read_text() for p in run.glob("work/fan/*/progress.json")))
        second = asdkit_command("run", faulty_spec)
        assert second.returncode == 6
        assert f"process {process.pid}" in second.stderr
    finally:
        process.kill()
        process.communicate()
    third = asdkit_command("run", faulty_spec)
    assert third.returncode == 1, third.stderr  # the lock went with the process


def test_killed_at_any_moment_a_run_goes_on_and_ends_with_the_same_scores(asdkit_command, finished, tmp_path):
    whole = (tmp_path / "runs" / "small" / "scores.csv").read_bytes()
    rng = np.random.default_rng(0)
    for attempt in range(6):
        process = start(finished, tmp_path, "--out", "killed")
        time.sleep(float(rng.uniform(0.5, 3.0)))
        process.kill()
        process.communicate()
        done = job_folders(tmp_path / "killed")
        if attempt % 2:
            continue
        ran = asdkit_command("run", finished, "--out", "killed")
        assert ran.returncode == 0, ran.stderr
        after = job_folders(tmp_path / "killed")
        assert {k: after[k] for k in done} == done
        assert (tmp_path / "killed" / "scores.csv").read_bytes() == whole
        for folder in (tmp_path / "killed" / "jobs").glob("*/*"):
            if folder.name not in done:
                import shutil

                shutil.rmtree(folder)


def test_a_worker_that_never_got_a_job_dies_with_its_driver_too(faulty_spec, tmp_path):
    one = ("--machine", "fan", "--set", 'detectors.F.how="slow"')
    first = start(faulty_spec, tmp_path, *one)
    wait_for(lambda: any((tmp_path / "runs" / "small").glob("work/*/*/progress.json")))
    first.kill()
    first.communicate()
    second = start(faulty_spec, tmp_path, *one)  # the job is suspect, so it is run alone: one of two workers is idle
    wait_for(lambda: sum("LokyProcess" in line for line in processes(second.pid).values()) == 2)
    second.kill()
    second.wait()
    wait_for(lambda: not processes(second.pid), seconds=3)
    second.communicate()
