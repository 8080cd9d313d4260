"""Plan a million files, and find the one of ten thousand jobs that is not done."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.robustness import rooms
from tests.robustness.figures import Figures

MACHINES, IDS = 10, 10


def make_empty_files(root: Path, files: int) -> int:
    """Make empty files named as the challenge names its clips; return their number."""
    per_id = files // (MACHINES * IDS)
    made = 0
    for machine in range(MACHINES):
        for split, label, count in (("train", "normal", per_id // 2), ("test", "anomaly", per_id - per_id // 2)):
            folder = root / f"machine{machine}" / split
            folder.mkdir(parents=True)
            for id_ in range(IDS):
                for number in range(count):
                    os.close(os.open(folder / f"{label}_id_{id_:02}_{number:08}.wav", os.O_CREAT | os.O_WRONLY))
                    made += 1
    return made


def plan(folder: Path) -> None:
    """Plan the clips of a folder; print seconds, mebibytes, jobs and clips. Called in a new process."""
    from asdkit.plugins import discover
    from asdkit.run.plan import list_jobs
    from asdkit.spec import load_spec

    registry = discover()
    spec = load_spec(folder / "spec.toml", registry=registry)
    begin = time.perf_counter()
    listing = list_jobs(spec, registry)
    seconds = time.perf_counter() - begin
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, most, len(listing.jobs), len(listing.clips))


def check_planning(folder: Path, files: int, figures: Figures) -> None:
    """Plan empty files: planning uses path, size and time of change alone."""
    files = make_empty_files(folder / "room", files)
    rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.KNN.format(i=2, n=2)], ["K1", "K2"])
    code = f"from tests.robustness.planning import plan; from pathlib import Path; plan(Path({str(folder)!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, most, jobs, clips = map(float, ran.stdout.split())
    assert clips == files
    figures.report(f"planning {files:,} files into {jobs:.0f} jobs", f"{seconds:.1f} s", "< 30 s", seconds < 30)
    figures.report("its peak memory", f"{most:,.0f} MiB", "< 2048 MiB", most < 2048)


def check_restart(folder: Path, jobs: int, figures: Figures) -> None:
    """Find again the one job that is not done."""
    from asdkit.plugins import discover
    from asdkit.run import make_plan
    from asdkit.run.store import publish
    from asdkit.spec import load_spec

    detectors = 10
    rooms.make_room(folder / "room", jobs // detectors, train=1, test=0, seconds=0.2)
    numbers = range(1, detectors + 1)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=i, n=i) for i in numbers], [f"K{i}" for i in numbers])
    registry = discover()

    def find_left() -> tuple[float, list[object]]:
        begin = time.perf_counter()
        plan = make_plan(load_spec(spec, registry=registry), folder / "run", registry)
        left = [job for job in plan.jobs if plan.status(job) != "done"]
        return time.perf_counter() - begin, [plan, left]

    _, (plan, left) = find_left()
    assert len(left) == len(plan.jobs) == jobs
    for job in left[:-1]:
        result = folder / "result"
        result.mkdir()
        for name in ("state-00.safetensors", "scores.safetensors", "job.json"):
            (result / name).write_bytes(b"x" * 4000)
        publish(result, plan.paths.done(job))
    seconds, (_, left) = find_left()
    assert len(left) == 1
    figures.report(f"restart of {jobs:,} jobs: spec, clips, audio checks, what is left", f"{seconds:.2f} s")
    begin = time.perf_counter()
    left = [job for job in plan.jobs if plan.status(job) != "done"]
    seconds = time.perf_counter() - begin
    figures.report(f"finding the 1 of {jobs:,} jobs that is left", f"{seconds:.2f} s", "< 5 s", seconds < 5)


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        check_planning(Path(folder), options.files, figures)
    with tempfile.TemporaryDirectory() as folder:
        check_restart(Path(folder), options.jobs, figures)
    return figures.exit_code
