"""A day of sound through `asdkit listen` at full speed: how long it takes, and whether memory stays flat.

``python -m benchmarks.listening [--hours N] [--detectors NAME ...]``: bundles of classical detectors are made of a fan
of the synthetic machine room; 16-bit noise at 16 kHz, shaped like nothing and never the same twice in an hour, is fed
to the real command through a pipe as fast as it takes it, in windows of 10 s without overlap. Resident memory is read
from the kernel after each row. Fails where it grows by 5 % or more after the first 500 windows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 16_000
LIMIT = 0.05
SPEC = """
asdkit = 1
name = "day"
[data]
layout = "dcase2020"
root = "room"
sample_rate = 16000
[compute]
threads = 1
[featurizers.logmel]
use = "log-mel"
[detectors.mahalanobis]
use = "mahalanobis"
[detectors.knn]
use = "knn"
"""


@dataclass(frozen=True)
class Measured:
    """What a stream cost."""

    windows: int
    seconds: float
    first: float  # s until the first row
    start: int  # resident bytes after the windows that count as the start
    most: int  # at most after them

    @property
    def growth(self) -> float:
        """Share by which resident memory grew after the start."""
        return self.most / self.start - 1


def listen(bundle: Path, hours: float, *, rate: int = RATE, window: float = 10, start: int = 500) -> Measured:
    """Feed so many hours of noise at full speed to the real command."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "asdkit", "listen", str(bundle), "--window", str(window), "--id", "00"]
    rows, first, at_start, most = 0, 0.0, 0, 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        feeder = threading.Thread(target=feed, args=(process, round(hours * 3600 * rate)), daemon=True)
        feeder.start()
        for _ in process.stdout:
            rows += 1
            first = first or time.perf_counter() - begin
            resident = resident_bytes(process.pid)
            if rows == start:
                at_start = resident
            elif rows > start:
                most = max(most, resident)
        said = process.stderr.read().decode()
        feeder.join()
    if process.returncode != 0 or not most:
        raise RuntimeError(said)
    return Measured(rows, time.perf_counter() - begin, first, at_start, most)


def feed(process: subprocess.Popen[bytes], samples: int) -> None:
    """Write noise of slowly changing loudness."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1500, 1 << 22).astype(np.int16)
    with process.stdin:
        while samples > 0:
            first = int(rng.integers(len(noise) - (1 << 18)))
            piece = noise[first : first + min(samples, 1 << 18)] >> int(rng.integers(3))
            process.stdin.write(piece.tobytes())
            samples -= len(piece)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 once it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def make_bundles(folder: Path, detectors: list[str]) -> dict[str, Path]:
    """Train on a fan of the synthetic room, and export each detector."""
    from asdkit.bundle import Bundle
    from asdkit.bundle.export import export
    from asdkit.data.demo import make_machine_room
    from asdkit.plugins import discover
    from asdkit.run import make_plan, run_plan
    from asdkit.spec import load_spec

    make_machine_room(folder / "room", machines=["fan"], seconds=10.0)
    (folder / "spec.toml").write_text(SPEC)
    registry = discover()
    run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    made = {}
    for name in detectors:
        made[name] = folder / f"{name}.asdkit"
        made[name].write_bytes(export(Bundle.of_run(folder / "run", name)))
    return made


def main() -> int:
    """Print a line for each detector; return 0 if memory stayed flat."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listening", description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--detectors", nargs="+", default=["mahalanobis", "knn"])
    args = parser.parse_args()
    flat = True
    with tempfile.TemporaryDirectory() as temporary:
        for name, bundle in make_bundles(Path(temporary), args.detectors).items():
            found = listen(bundle, args.hours)
            flat &= found.growth < LIMIT
            print(
                f"{name:12} {args.hours:g} h, {found.windows} windows of 10 s in {found.seconds:.0f} s "
                f"({args.hours * 3600 / found.seconds:,.0f} times real time), first row after {found.first:.1f} s; "
                f"resident {found.start / 2**20:.1f} MiB after 500 windows, at most {found.most / 2**20:.1f} MiB after "
                f"them: {found.growth:+.2%}",
                flush=True,
            )
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
