"""One bit flipped in a finished job: found, whichever it is, at the next run or when it is read."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path

from asdkit.errors import AsdkitError
from asdkit.run.store import MANIFEST, read_verified, unchanged, verify
from tests.robustness import rooms
from tests.robustness.figures import Figures


def flip(path: Path, bit: int, *, stealthily: bool) -> None:
    """Flip one bit; stealthily, as a failing disk does: the time of change stays."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    if stealthily:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def found_in_store(job: Path, path: Path) -> bool:
    """Whether the next run would do the job again, or whoever reads the file is told."""
    if unchanged(job) is not None:
        return True
    try:
        read_verified(job, path.name)
    except AsdkitError:
        return True
    return False


def show_store(job: Path, trials: int, figures: Figures) -> None:
    """Flip bits in a job's files, drawn by their size; the manifest's at least every tenth time."""
    rng = random.Random(0)
    files = sorted(path for path in job.iterdir() if path.is_file())
    weights = [path.stat().st_size for path in files]
    found = hashed = 0
    for trial in range(trials):
        path = job / MANIFEST if trial % 10 == 0 else rng.choices(files, weights)[0]
        bit = rng.randrange(8 * path.stat().st_size)
        whole, times = path.read_bytes(), path.stat()
        flip(path, bit, stealthily=trial % 2 == 1)
        found += found_in_store(job, path)
        hashed += verify(job) is not None
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert verify(job) is None
    figures.tell("bits flipped in a store and found on the way", f"{found} of {trials}", "all", found == trials)
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
        flip(bundle, rng.randrange(8 * len(whole)), stealthily=True)
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
