"""SIGKILL at random moments, of drivers and workers: what is finished stays, scores are the same to the bit."""

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

from tests.robustness import rooms
from tests.robustness.figures import Figures
from tests.robustness.full_disk import half_done

ORPHANS_S = 3.0
EPOCHS = 60


def finished(run: Path) -> dict[str, int]:
    """Finished jobs, and when each was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("jobs/*/*/job.json")}


@dataclass
class Tally:
    """What came of kills.

    Attributes
    ----------
    kills
        Of drivers and of workers.
    ended, same
        Runs that came to an end, and those of them with the scores of one never disturbed.
    orphans, spoilt, lost
        Processes left behind, partial files under final names, finished jobs gone or done again.
    repeated
        Most epochs that a job learnt more than once for each kill of its run.
    """

    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    same: int = 0
    orphans: int = 0
    spoilt: int = 0
    lost: int = 0
    repeated: float = 0.0

    def tell(self, figures: Figures) -> None:
        """Print it all."""
        of, ended = self.kills, self.ended
        figures.tell("SIGKILLs", f"{of['driver']} of drivers, {of['worker']} of workers; {ended} runs ended meanwhile")
        same = f"{self.same} of {ended}"
        figures.tell("runs with the scores of one never disturbed, to the bit", same, "all", self.same == ended)
        figures.tell("finished jobs lost or done again", self.lost, "0", not self.lost)
        most = f"{self.repeated:.2f}"
        figures.tell("most epochs that a job repeated for each kill of its run", most, "<= 1", self.repeated <= 1)
        figures.tell("partial files under final names", self.spoilt, "0", not self.spoilt)
        figures.tell(f"processes left {ORPHANS_S:.0f} s after their driver", self.orphans, "0", not self.orphans)


def strike(process: subprocess.Popen[str], run: Path, rng: random.Random, tally: Tally) -> None:
    """Kill the driver or a worker, and look at what is left at once."""
    workers = [pid for pid, line in rooms.processes(process.pid).items() if "loky" in line and "tracker" not in line]
    victim = "worker" if workers and rng.random() < 0.5 else "driver"
    before = finished(run)
    os.kill(rng.choice(workers) if victim == "worker" else process.pid, signal.SIGKILL)
    tally.kills[victim] += 1
    if victim == "driver":
        process.wait()
        end = time.monotonic() + ORPHANS_S
        while rooms.processes(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        tally.orphans += len(rooms.processes(process.pid))
        tally.spoilt += len(half_done(run)) - len(list(run.glob(".*.part")))  # swept by the next run
    after = finished(run)
    tally.lost += sum(after.get(name) != moment for name, moment in before.items())


def batches(counts: Path, run: str) -> dict[str, int]:
    """Batches that each machine of a run learnt from, over all its attempts."""
    return {path.name.rpartition("-")[2]: path.stat().st_size for path in counts.glob(f"{run}-*")}


def show(folder: Path, times: int, figures: Figures) -> None:
    """Kill, look, go on; once a run ends, compare and begin another."""
    counts = folder / "counts"
    rooms.install_counted(folder / "site", counts)
    rooms.make_room(folder / "room", 3)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.COUNTED.format(epochs=EPOCHS)], ["K1", "C"])
    args = ("run", spec, "--set", "compute.workers=2", "--out")
    begin = time.monotonic()
    whole = rooms.run(folder, *args, "whole")
    assert whole.returncode == 0, whole.stderr
    lasts = time.monotonic() - begin
    scores = (folder / "whole" / "scores.csv").read_bytes()
    once = batches(counts, "whole")
    assert len(once) == 3, once
    rng, tally, number, killed = random.Random(0), Tally(), 0, 0
    while sum(tally.kills.values()) < times:
        run = folder / f"run{number}"
        process = rooms.start(folder, *args, run)
        time.sleep(rng.uniform(0.2, 1.0) * lasts * 0.6)
        if process.poll() is None:
            strike(process, run, rng, tally)
            killed += 1
        process.communicate(timeout=120)
        if process.returncode:
            continue
        tally.ended += 1
        tally.same += (run / "scores.csv").read_bytes() == scores
        tally.spoilt += len(half_done(run))
        for machine, count in batches(counts, run.name).items():
            tally.repeated = max(tally.repeated, (count / once[machine] - 1) * EPOCHS / max(1, killed))
        number, killed = number + 1, 0
    tally.tell(figures)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        show(Path(folder), options.times, figures)
    return figures.exit_code
