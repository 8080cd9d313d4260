"""Damage each stored file of a run and a bundle: its reader must report it, or read the same as before."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from asdkit.bundle import Bundle
from asdkit.errors import AsdkitError
from asdkit.run.job_context import JobContext
from asdkit.run.state_codec import state_digest
from asdkit.run.store import (
    MANIFEST,
    RunPaths,
    read_results,
    read_scores,
    read_settings,
    read_shards,
    read_verified,
    unchanged,
)
from tests.helpers.bits import count_found_flips, flip
from tests.robustness import rooms
from tests.robustness.figures import Figures


def make_job(folder: Path) -> Path:
    """Run a small spec; return one of its finished jobs."""
    rooms.make_room(folder / "room", 1, train=8)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1)], ["K1"])
    for args in (["--out", "run"], ["--out", "part", "--shard", "1/1"]):
        ran = rooms.run(folder, "run", spec, *args)
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


def damaged(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Flip a bit, cut the end off, or zero a block; return which of these, and the data."""
    at = rng.randrange(len(data))
    match rng.randrange(3):
        case 0:
            return "flipped bits", data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return "truncations", data[:at]
        case _:
            size = min(len(data) - at, rng.choice((1, 16, 512)))
            return "zeroed blocks", data[:at] + bytes(size) + data[at + size :]


def readers(run: Path, bundle: Path) -> dict[Path, Callable[[], object]]:
    """Return each stored file that asdkit reads again, and what reads it."""
    paths = RunPaths(run)
    settings, record = read_settings(paths), read_results(paths)
    names = [*next(iter(settings.machines.values())), *settings.systems]
    found: dict[Path, Callable[[], object]] = {
        paths.settings: lambda: read_settings(paths),
        paths.results: lambda: read_results(paths),
        paths.scores: lambda: repr(read_scores(paths, names, record)),
        bundle: lambda: Bundle.load(bundle).description,
    }
    parts = RunPaths(run.parent / "part")
    found |= {path: lambda: read_shards(parts) for path in parts.folder.glob("shards/*.json")}
    for path in run.glob("jobs/*/*/*"):
        found[path] = partial(_read_job_file, path)
    work = run.parent / "checkpoint"
    context = JobContext(work=work, stop_file=work / "stop", digest="recordings")
    work.mkdir()
    context.save_checkpoint({"epoch": 3, "loss": 0.5, "weights": np.random.default_rng(0).normal(size=(40, 20))})
    [checkpoint] = work.glob("checkpoint*")
    found[checkpoint] = partial(_read_checkpoint, context)
    return found


def _read_job_file(path: Path) -> bytes:
    if (fault := unchanged(path.parent)) is not None:
        raise AsdkitError(fault)
    return read_verified(path.parent, path.name) if path.name != MANIFEST else path.read_bytes()


def _read_checkpoint(context: JobContext) -> str:
    if (state := context.load_checkpoint()) is None:
        raise AsdkitError("no checkpoint: the fit starts again")
    return state_digest(state)


def check_files(run: Path, bundle: Path, trials: int, figures: Figures) -> None:
    """Damage stored files, one at a time, each about as often."""
    rng = random.Random(2)
    found = readers(run, bundle)
    files = sorted(found)
    before = {path: found[path]() for path in files}
    counts: Counter[tuple[str, str]] = Counter()
    silent: Counter[str] = Counter()
    for trial in range(trials):
        path = files[trial % len(files)]
        content, times = path.read_bytes(), path.stat()
        what, data = damaged(content, rng)
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a failing disk does
        try:
            same = found[path]() == before[path]
            silent[path.name] += not same
            counts[what, "read the same" if same else "read otherwise"] += 1
        except AsdkitError:
            counts[what, "reported"] += 1
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    kinds = sorted({path.name for path in files})
    figures.report(f"{trials} damages to {len(files)} files", ", ".join(kinds))
    for what in ("flipped bits", "truncations", "zeroed blocks"):
        ends = ("reported", "read the same", "read otherwise")
        value = ", ".join(f"{counts[what, end]} {end}" for end in ends)
        figures.report(f"  {what}", value, "none read otherwise", not counts[what, ends[-1]])
    if any(silent.values()):
        print("  read otherwise:", dict(+silent))


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
        check_files(Path(folder) / "run", Path(folder) / "room.asdkit", options.trials, figures)
    return figures.exit_code
