"""One bit flipped in a finished job: found, whichever it is, at the next run or when it is read."""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from asdkit.errors import AsdkitError
from tests.helpers.bits import count_found_flips, flip
from tests.robustness import rooms
from tests.robustness.figures import Figures


def show_store(job: Path, trials: int, figures: Figures) -> None:
    """Flip bits in a job's files and show how many are found."""
    in_use, hashed = count_found_flips(job, trials)
    figures.tell("bits flipped in a store and found on the way", f"{in_use} of {trials}", "all", in_use == trials)
    figures.tell("the same by hashing all of it", f"{hashed} of {trials}", "all", hashed == trials)


def make_job(folder: Path) -> Path:
    """Run a small spec; one of its finished jobs."""
    rooms.make_room(folder / "room", 1, train=8)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1)], ["K1"])
    ran = rooms.run(folder, "run", spec, "--out", "run")
    assert ran.returncode == 0, ran.stderr
    return next((folder / "run" / "jobs").glob("*/*"))


def show_bundle(run: Path, trials: int, figures: Figures) -> None:
    """Export the run's system, and flip bits anywhere in the bundle."""
    from asdkit.bundle import Bundle

    bundle = run.parent / "room.asdkit"
    ran = rooms.run(run.parent, "export", run, "--system", "all", "--out", bundle)
    assert ran.returncode == 0, ran.stderr
    Bundle.load(bundle)
    rng = random.Random(1)
    whole = bundle.read_bytes()
    found = 0
    for _ in range(trials):
        flip(bundle, rng.randrange(8 * len(whole)), keep_time=True)
        try:
            Bundle.load(bundle)
        except AsdkitError:
            found += 1
        bundle.write_bytes(whole)
    figures.tell("bits flipped in a bundle and found on opening it", f"{found} of {trials}", "all", found == trials)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(Path(folder))
        show_store(job, options.trials, figures)
        show_bundle(Path(folder) / "run", options.trials, figures)
    return figures.exit_code
