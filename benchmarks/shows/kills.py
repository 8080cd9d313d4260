"""SIGKILL at random moments, of drivers and workers: what is finished stays, scores are the same to the bit."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from asdkit.errors import AsdkitError
from asdkit.run.state import read_state
from benchmarks.shows import rooms
from benchmarks.shows.figures import Figures
from benchmarks.shows.full_disk import half_done

ORPHANS_S = 3.0


def ahead(run: Path) -> dict[str, int]:
    """Of each job at work, how many epochs it is ahead of its checkpoint."""
    found = {}
    for work in run.glob("work/*/*"):
        try:
            epoch = json.loads((work / "progress.json").read_text())["epoch"]
            kept = read_state(work / "checkpoint.safetensors")["epoch"]
        except (OSError, ValueError, KeyError, AsdkitError):
            continue
        found[work.name] = int(epoch) - int(kept)
    return found


def finished(run: Path) -> dict[str, int]:
    """Finished jobs, and when each was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("jobs/*/*/job.json")}


def show(folder: Path, times: int, figures: Figures) -> None:
    """Kill, look, go on; once a run ends, compare and begin another."""
    rooms.make_room(folder / "room", 3)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.TRAINED.format(epochs=60)], ["K1", "A"])
    args = ("run", spec, "--set", "compute.workers=2", "--out")
    begin = time.monotonic()
    whole = rooms.run(folder, *args, "whole")
    assert whole.returncode == 0, whole.stderr
    lasts = time.monotonic() - begin
    scores = (folder / "whole" / "scores.csv").read_bytes()
    rng = random.Random(0)
    kills = {"driver": 0, "worker": 0}
    ended = same = orphans = spoilt = repeated = lost = seen = 0
    number = 0
    while sum(kills.values()) < times:
        run = folder / f"run{number}"
        process = rooms.start(folder, *args, run)
        time.sleep(rng.uniform(0.2, 1.0) * lasts * 0.6)
        workers = [
            pid for pid, line in rooms.processes(process.pid).items() if "loky" in line and "tracker" not in line
        ]
        victim = "worker" if workers and rng.random() < 0.5 else "driver"
        if process.poll() is None:
            at_work = ahead(run)
            seen += len(at_work)
            repeated = max([repeated, *at_work.values()])
            before = finished(run)
            os.kill(rng.choice(workers) if victim == "worker" else process.pid, signal.SIGKILL)
            kills[victim] += 1
            if victim == "driver":
                process.wait()
                end = time.monotonic() + ORPHANS_S
                while rooms.processes(process.pid) and time.monotonic() < end:
                    time.sleep(0.05)
                orphans += len(rooms.processes(process.pid))
                spoilt += len(half_done(run)) - len(list(run.glob(".*.part")))  # swept by the next run
            after = finished(run)
            lost += sum(after.get(name) != moment for name, moment in before.items())
        try:
            output, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if victim == "worker" and process.returncode not in (0, -signal.SIGKILL):
            print(output)
        if process.returncode == 0:
            ended += 1
            same += (run / "scores.csv").read_bytes() == scores
            spoilt += len(half_done(run))
            number += 1
    figures.tell(
        "SIGKILLs", f"{kills['driver']} of drivers, {kills['worker']} of workers; {ended} runs ended meanwhile"
    )
    figures.tell("runs with the scores of one never disturbed, to the bit", f"{same} of {ended}", "all", same == ended)
    figures.tell("finished jobs lost or done again", lost, "0", not lost)
    figures.tell(
        f"most epochs that a job was ahead of its checkpoint ({seen} jobs at work when killed)",
        repeated,
        "<= 1",
        repeated <= 1,
    )
    figures.tell("partial files under final names", spoilt, "0", not spoilt)
    figures.tell(f"processes left {ORPHANS_S:.0f} s after their driver", orphans, "0", not orphans)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        show(Path(folder), options.times, figures)
    return figures.exit_code
