"""SIGKILL drivers and workers at random moments: finished jobs stay, scores are the same bit for bit."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.processes import processes
from tests.robustness import rooms
from tests.robustness.figures import Figures
from tests.robustness.full_disk import unwanted_files

ORPHANS_S = 3.0  # how long workers may outlive their driver
EPOCHS = 60


def finished(run: Path) -> dict[str, int]:
    """Return the finished jobs and when each was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("jobs/*/*/job.json")}


@dataclass
class Tally:
    """Counts over all kills.

    Attributes
    ----------
    kills
        Kills of drivers and of workers.
    ended, same
        Runs that ended, and those of them with the scores of an undisturbed run.
    orphans, partial, lost
        Processes left behind, partial files under final names, finished jobs removed or done again.
    repeated
        Most epochs that a job repeated for each kill of its run.
    """

    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    same: int = 0
    orphans: int = 0
    partial: int = 0
    lost: int = 0
    repeated: float = 0.0

    def report(self, figures: Figures) -> None:
        """Print all counts."""
        kills, ended = self.kills, self.ended
        figures.report("SIGKILLs", f"{kills['driver']} of drivers, {kills['worker']} of workers; {ended} runs ended")
        same = f"{self.same} of {ended}"
        figures.report("runs with the scores of an undisturbed run, bit for bit", same, "all", self.same == ended)
        figures.report("finished jobs lost or done again", self.lost, "0", not self.lost)
        most = f"{self.repeated:.2f}"
        figures.report("most epochs that a job repeated for each kill of its run", most, "<= 1", self.repeated <= 1)
        figures.report("partial files under final names", self.partial, "0", not self.partial)
        figures.report(f"processes left {ORPHANS_S:.0f} s after their driver", self.orphans, "0", not self.orphans)


def kill_one(process: subprocess.Popen[str], run: Path, rng: random.Random, tally: Tally) -> None:
    """Kill the driver or a worker, and count what is left."""
    workers = [pid for pid, line in processes(process.pid).items() if "loky" in line and "tracker" not in line]
    victim = "worker" if workers and rng.random() < 0.5 else "driver"
    before = finished(run)
    os.kill(rng.choice(workers) if victim == "worker" else process.pid, signal.SIGKILL)
    tally.kills[victim] += 1
    if victim == "driver":
        process.wait()
        end = time.monotonic() + ORPHANS_S
        while processes(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        tally.orphans += len(processes(process.pid))
        tally.partial += len(unwanted_files(run)) - len(list(run.glob(".*.part")))  # the next run removes those
    after = finished(run)
    tally.lost += sum(after.get(name) != moment for name, moment in before.items())


def count_batches(counts: Path, run: str) -> dict[str, int]:
    """Return the training batches of each machine of a run, over all attempts."""
    return {path.name.rpartition("-")[2]: path.stat().st_size for path in counts.glob(f"{run}-*")}


def check(folder: Path, times: int, figures: Figures) -> None:
    """Kill and resume runs; when one ends, compare its scores and start another."""
    counts = folder / "counts"
    rooms.install_counted(folder / "site", counts)
    rooms.make_room(folder / "room", 3)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.COUNTED.format(epochs=EPOCHS)], ["K1", "C"])
    args = ("run", spec, "--set", "compute.workers=2", "--out")
    begin = time.monotonic()
    whole = rooms.run(folder, *args, "whole")
    assert whole.returncode == 0, whole.stderr
    duration = time.monotonic() - begin
    scores = (folder / "whole" / "scores.csv").read_bytes()
    once = count_batches(counts, "whole")
    assert len(once) == 3, once
    rng, tally, number, killed = random.Random(0), Tally(), 0, 0
    while sum(tally.kills.values()) < times:
        run = folder / f"run{number}"
        process = rooms.start(folder, *args, run)
        time.sleep(rng.uniform(0.2, 1.0) * duration * 0.6)
        if process.poll() is None:
            kill_one(process, run, rng, tally)
            killed += 1
        process.communicate(timeout=120)
        if process.returncode:
            continue
        tally.ended += 1
        tally.same += (run / "scores.csv").read_bytes() == scores
        tally.partial += len(unwanted_files(run))
        for machine, count in count_batches(counts, run.name).items():
            tally.repeated = max(tally.repeated, (count / once[machine] - 1) * EPOCHS / max(1, killed))
        number, killed = number + 1, 0
    tally.report(figures)


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), options.times, figures)
    return figures.exit_code
