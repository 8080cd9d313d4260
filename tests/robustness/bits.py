"""Flip one bit of a finished job or a bundle: the next run, or whatever reads the file, must detect it."""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from asdkit.bundle import Bundle
from asdkit.errors import AsdkitError
from tests.helpers.bits import count_found_flips, flip
from tests.robustness import rooms
from tests.robustness.figures import Figures


def make_job(folder: Path) -> Path:
    """Run a small spec; return one of its finished jobs."""
    rooms.make_room(folder / "room", 1, train=8)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1)], ["K1"])
    ran = rooms.run(folder, "run", spec, "--out", "run")
    assert ran.returncode == 0, ran.stderr
    return next((folder / "run" / "jobs").glob("*/*"))


def check_job(job: Path, trials: int, figures: Figures) -> None:
    """Flip bits of a finished job."""
    by_run, by_hashing = count_found_flips(job, trials)
    figures.report("flipped bits of a job that a run detects", f"{by_run} of {trials}", "all", by_run == trials)
    figures.report("the same by hashing all files", f"{by_hashing} of {trials}", "all", by_hashing == trials)


def check_bundle(run: Path, trials: int, figures: Figures) -> None:
    """Export the run's system and flip bits of the bundle."""
    bundle = run.parent / "room.asdkit"
    ran = rooms.run(run.parent, "export", run, "--system", "all", "--out", bundle)
    assert ran.returncode == 0, ran.stderr
    Bundle.load(bundle)
    rng = random.Random(1)
    content = bundle.read_bytes()
    detected = 0
    for _ in range(trials):
        flip(bundle, rng.randrange(8 * len(content)), keep_time=True)
        try:
            Bundle.load(bundle)
        except AsdkitError:
            detected += 1
        bundle.write_bytes(content)
    figures.report(
        "flipped bits of a bundle that opening detects", f"{detected} of {trials}", "all", detected == trials
    )


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(Path(folder))
        check_job(job, options.trials, figures)
        check_bundle(Path(folder) / "run", options.trials, figures)
    return figures.exit_code
