"""A real Dask scheduler and workers as separate processes on loopback, killed and restarted; what two workers gain."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.robustness import rooms
from tests.robustness.figures import Figures

PORT = random.Random(os.getpid()).randrange(20_000, 30_000)
ADDRESS = f"tcp://127.0.0.1:{PORT}"
DASK = ("run", "--backend", "dask", "--set", f"compute.scheduler={ADDRESS}")


@contextmanager
def dask(*args: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler or worker, ended with all its processes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *args, "--no-dashboard"],
        env=rooms.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for pid in rooms.processes(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()


@contextmanager
def scheduler() -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler that answers."""
    with dask("scheduler", "--host", "127.0.0.1", "--port", str(PORT)) as process:
        yield process


@contextmanager
def workers(count: int) -> Iterator[subprocess.Popen[bytes]]:
    """Worker processes of one thread, all there."""
    from distributed import Client

    with dask("worker", ADDRESS, "--nthreads", "1", "--nworkers", str(count)) as process:
        with Client(ADDRESS, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        yield process


def worker_processes(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes that jobs run in."""
    return [pid for pid, line in rooms.processes(process.pid).items() if "spawn_main" in line]


def show_same_scores(folder: Path, figures: Figures) -> None:
    """Table 1 of the report on the demo's room, one epoch of each network, on loky and on the cluster."""
    from asdkit.data.demo import make_machine_room

    make_machine_room(folder / "room", seed=0)
    spec = Path(__file__).parents[2] / "specs" / "dcase2020_table1.toml"
    short = [f"detectors.{name}.epochs=1" for name in ("AE", "G", "M", "R", "A")]
    edits = [f"data.root={folder / 'room'}", "compute.threads=1", *short]
    one = (spec, *(arg for edit in edits for arg in ("--set", edit)))
    loky = rooms.run(folder, "run", *one, "--set", "compute.workers=2", "--out", "loky")
    assert loky.returncode == 0, loky.stderr
    with scheduler(), workers(2):
        ran = rooms.run(folder, *DASK, *one, "--out", "dask")
    same = (
        ran.returncode == 0 and (folder / "loky/scores.csv").read_bytes() == (folder / "dask/scores.csv").read_bytes()
    )
    what = "scores of Table 1 on the demo's room, one epoch, by Dask and by loky"
    figures.tell(what, "the same" if same else ran.stderr, "the same", same)


def timed(folder: Path, spec: Path, count: int, out: str) -> float:
    """Seconds from the first job's handing out to the last one's end, on so many workers that are warm."""
    warm = rooms.run(folder, *DASK, spec, "--out", f"{out}-warm", "--machine", "m0000")
    assert warm.returncode == 0, warm.stderr
    process = rooms.start(folder, *DASK, spec, "--out", out)
    begin = end = 0.0
    for line in process.stdout or ():
        if " left; run folder" in line:
            begin = time.perf_counter()
        if ": done in" in line:
            end = time.perf_counter()
    assert process.wait() == 0
    return end - begin


def ceiling(folder: Path, spec: Path, machines: int) -> float:
    """What two processes gain over one on these cores with nothing between them: each a run of half the machines."""
    halves = [
        [arg for machine in range(first, machines, 2) for arg in ("--machine", f"m{machine:04}")] for first in (0, 1)
    ]

    def seconds(out: str) -> float:
        jobs = json.loads((folder / out / "results.json").read_text())["seconds"].values()
        return sum(sum(job.values()) for job in jobs)

    def begin(half: list[str], out: str) -> subprocess.Popen[str]:
        return rooms.start(folder, "run", "--backend", "sequential", spec, "--out", out, *half)

    begin(halves[0], "alone").communicate()
    both = [begin(half, out) for half, out in zip(halves, ("left", "right"), strict=True)]
    for process in both:
        process.communicate()
    return 2 * seconds("alone") / max(seconds("left"), seconds("right"))


def show_speed(folder: Path, equal: int, tiny: int, resting: bool, figures: Figures) -> None:
    """Equal jobs on one worker and on two; many that have almost nothing to do."""
    rooms.make_room(folder / "room", equal, train=20)
    if resting:
        rooms.install_resting(folder / "site")
        spec = rooms.make_spec(folder, [rooms.RESTING.format(seconds=1.5)], ["R"])
    else:
        spec = rooms.make_spec(folder, [rooms.TRAINED.format(epochs=60)], ["A"])
    seconds = {}
    for count in (1, 2):
        with scheduler(), workers(count):
            seconds[count] = timed(folder, spec, count, f"equal{count}")
    gain = seconds[1] / seconds[2]
    load = os.getloadavg()[0]
    took = f"{seconds[1]:.1f} s and {seconds[2]:.1f} s (load of the machine {load:.1f} on {os.cpu_count()} cores)"
    figures.tell(f"{equal} equal jobs ({'waiting' if resting else 'computing'}) on 1 and on 2 workers", took)
    if resting:
        figures.tell("2 workers faster than 1 by", f"{gain:.2f}", ">= 1.8", gain >= 1.8)
    else:
        possible = ceiling(folder, spec, equal)
        figures.tell(
            "2 workers faster than 1 by",
            f"{gain:.2f}, where two plain processes with nothing between them gain {possible:.2f}",
            ">= 1.8, or nine tenths of what the cores give",
            gain >= min(1.8, 0.9 * possible),
        )
    small = folder / "tiny"
    detectors = 10
    rooms.make_room(small / "room", tiny // detectors, train=1, test=0, seconds=0.2)
    numbers = range(1, detectors + 1)
    spec = rooms.make_spec(small, [rooms.KNN.format(i=i, n=i) for i in numbers], [f"K{i}" for i in numbers])
    with scheduler(), workers(2):
        took = timed(small, spec, 2, "tiny")
    figures.tell(f"{tiny:,} tiny jobs on 2 workers", f"{took:.1f} s", "< 10 s for 2,000", took < 10)
    each = 1000 * took / tiny * 2
    figures.tell("work and overhead of each", f"{each:.1f} ms of a worker", "overhead < 50 ms", each < 50)


def show_deaths(folder: Path, figures: Figures) -> None:
    """A worker killed in the middle of a job; then the scheduler."""
    rooms.make_room(folder / "room", 4, train=10)
    spec = rooms.make_spec(folder, [rooms.TRAINED.format(epochs=40)], ["A"])
    whole = rooms.run(folder, "run", spec, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    scores = (folder / "whole" / "scores.csv").read_bytes()

    def at_work(out: str) -> bool:
        return any((folder / out).glob("work/*/*/checkpoint*"))

    def wait_until_at_work(out: str) -> None:
        end = time.monotonic() + 60
        while not at_work(out):
            assert time.monotonic() < end
            time.sleep(0.02)

    with ExitStack() as stack:
        head = stack.enter_context(scheduler())
        crew = stack.enter_context(workers(2))
        process = rooms.start(folder, *DASK, spec, "--out", "killed")
        wait_until_at_work("killed")
        os.kill(worker_processes(crew)[0], signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
        same = process.returncode == 0 and (folder / "killed/scores.csv").read_bytes() == scores
        figures.tell("a worker killed in a job", "the run ended by itself" if same else output, "same scores", same)
        process = rooms.start(folder, *DASK, spec, "--out", "lost")
        wait_until_at_work("lost")
        head.kill()
        output, _ = process.communicate(timeout=300)
        told = process.returncode == 1 and "lost the scheduler" in output and "Traceback" not in output
        figures.tell("the scheduler killed", "told in two lines" if told else output, "told", told)
    with scheduler(), workers(2):
        again = rooms.run(folder, *DASK, spec, "--out", "lost")
    same = again.returncode == 0 and (folder / "lost/scores.csv").read_bytes() == scores
    figures.tell("the same command with a new one", "went on" if same else again.stderr, "same scores", same)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--equal", type=int, default=12)
    parser.add_argument("--tiny", type=int, default=2000)
    parser.add_argument(
        "--resting", action="store_true", help="equal jobs wait and do not compute: where others use the cores as well"
    )
    parser.add_argument("--only", choices=("scores", "speed", "deaths"))
    options = parser.parse_args(argv)
    figures = Figures()
    for name, show in {
        "scores": show_same_scores,
        "speed": lambda folder, figures: show_speed(folder, options.equal, options.tiny, options.resting, figures),
        "deaths": show_deaths,
    }.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                show(Path(folder), figures)
    return figures.exit_code
