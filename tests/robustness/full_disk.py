"""Fill the disk at one write after another: a clear error, no damage, and the run resumes once there is space."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asdkit.run.store import verify
from tests.robustness import rooms
from tests.robustness.figures import Figures

DISK_BYTES = 64 << 20  # more than any of these runs needs


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path, free: int) -> None:
    """Fill the disk until `free` bytes are left."""
    (disk / "ballast").unlink(missing_ok=True)
    status = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - free)


def unwanted_files(run: Path) -> list[str]:
    """Return temporary files outside the folder ``work``, and damaged jobs."""
    parts = [path for path in run.rglob("*.part") if "work" not in path.relative_to(run).parts]
    return [str(path) for path in parts] + [str(job) for job in run.glob("jobs/*/*") if verify(job) is not None]


def check(folder: Path, disk: Path, steps: int, figures: Figures) -> None:
    """Run with more and more space; after each failure make space and run again."""
    rooms.make_room(folder / "room", 2)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.TRAINED.format(epochs=2)], ["K1", "A"])
    ran = rooms.run(folder, "run", spec, "--out", disk / "whole")
    assert ran.returncode == 0, ran.stderr
    needed = sum(path.stat().st_blocks * 512 for path in (disk / "whole").rglob("*"))
    scores = (disk / "whole" / "scores.csv").read_bytes()
    shutil.rmtree(disk / "whole")
    full = clear = undamaged = resumed = kept = 0
    for step in range(steps):
        run = disk / "run"
        shutil.rmtree(run, ignore_errors=True)
        old = step % 2 == 1
        if old:  # with results of an earlier run, of another seed
            rooms.run(folder, "run", spec, "--out", run, "--set", "seed=9")
            before = {p: p.read_bytes() for p in run.glob("jobs/*/*/*")}
        fill(disk, int(needed * step / steps) // 4096 * 4096)
        ran = rooms.run(folder, "run", spec, "--out", run)
        if ran.returncode == 0:
            continue
        full += 1
        clear += "o space left" in ran.stderr and "Traceback" not in ran.stderr and ran.returncode in (1, 2)
        undamaged += not unwanted_files(run)
        kept += not old or all(p.read_bytes() == data for p, data in before.items())
        (disk / "ballast").unlink()
        again = rooms.run(folder, "run", spec, "--out", run)
        resumed += again.returncode == 0 and (run / "scores.csv").read_bytes() == scores
        if "o space left" not in ran.stderr or again.returncode:
            print(ran.stderr, again.stderr, unwanted_files(run), file=sys.stderr)
    figures.report("runs on a disk that was full at some write", f"{full} of {steps}", "most", 2 * full > steps)
    for what, count in {
        "with a clear error": clear,
        "without temporary files and damaged jobs": undamaged,
        "with all jobs that were finished before": kept,
        "resumed once there was space, with the same scores": resumed,
    }.items():
        figures.report(what, f"{count} of {full}", "all", count == full)


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder) / "disk") as disk:
                check(Path(folder), disk, options.steps, figures)
        except (subprocess.CalledProcessError, FileNotFoundError):
            print("no small disk can be mounted here: that needs root on Linux")
            return 77
    return figures.exit_code
