"""Planning a million files, and finding what is left of ten thousand jobs."""

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


def make_standins(root: Path, files: int) -> int:
    """Empty files named as the challenge names its clips; how many."""
    each = files // (MACHINES * IDS)
    made = 0
    for machine in range(MACHINES):
        for split, label, count in (("train", "normal", each // 2), ("test", "anomaly", each - each // 2)):
            folder = root / f"machine{machine}" / split
            folder.mkdir(parents=True)
            for id_ in range(IDS):
                for number in range(count):
                    os.close(os.open(folder / f"{label}_id_{id_:02}_{number:08}.wav", os.O_CREAT | os.O_WRONLY))
                    made += 1
    return made


def plan(folder: Path) -> None:
    """In a process of its own: plan what lies in a folder, and print seconds, mebibytes and jobs."""
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


def show_planning(folder: Path, files: int, figures: Figures) -> None:
    """Plan stand-ins: looked at by path, size and time of change alone."""
    made = make_standins(folder / "room", files)
    rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.KNN.format(i=2, n=2)], ["K1", "K2"])
    code = f"from tests.robustness.planning import plan; from pathlib import Path; plan(Path({str(folder)!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, most, jobs, clips = map(float, ran.stdout.split())
    assert clips == made
    figures.tell(f"planning {made:,} files into {jobs:.0f} jobs", f"{seconds:.1f} s", "< 30 s", seconds < 30)
    figures.tell("its peak memory", f"{most:,.0f} MiB", "< 2048 MiB", most < 2048)


def show_restart(folder: Path, jobs: int, figures: Figures) -> None:
    """Jobs of one tiny machine each, all done but one: what is left is found again by the real plan."""
    from asdkit.plugins import discover
    from asdkit.run import make_plan
    from asdkit.run.store import publish
    from asdkit.spec import load_spec

    detectors = 10
    rooms.make_room(folder / "room", jobs // detectors, train=1, test=0, seconds=0.2)
    numbers = range(1, detectors + 1)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=i, n=i) for i in numbers], [f"K{i}" for i in numbers])
    registry = discover()

    def what_is_left() -> tuple[float, list[object]]:
        begin = time.perf_counter()
        plan = make_plan(load_spec(spec, registry=registry), folder / "run", registry)
        left = [job for job in plan.jobs if plan.status(job) != "done"]
        return time.perf_counter() - begin, [plan, left]

    _, (plan, left) = what_is_left()
    assert len(left) == len(plan.jobs) == jobs
    for job in left[:-1]:
        stand_in = folder / "result"
        stand_in.mkdir()
        for name in ("state-00.safetensors", "scores.safetensors", "job.json"):
            (stand_in / name).write_bytes(b"x" * 4000)
        publish(stand_in, plan.paths.done(job))
    seconds, (_, left) = what_is_left()
    assert len(left) == 1
    figures.tell(f"restart of {jobs:,} jobs: spec, clips, audio checks, what is left", f"{seconds:.2f} s")
    begin = time.perf_counter()
    left = [job for job in plan.jobs if plan.status(job) != "done"]
    seconds = time.perf_counter() - begin
    figures.tell(f"finding the 1 of {jobs:,} jobs that is left", f"{seconds:.2f} s", "< 5 s", seconds < 5)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        show_planning(Path(folder), options.files, figures)
    with tempfile.TemporaryDirectory() as folder:
        show_restart(Path(folder), options.jobs, figures)
    return figures.exit_code
