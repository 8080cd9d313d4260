"""Measure the constants of the cost model in docs/scaling.md, and whether it predicts a run on one and two workers."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from asdkit import audio
from tests.robustness import rooms
from tests.robustness.figures import Figures

TOLERANCE = 0.2
MEASURED = 6  # machines; the predicted run has twice as many, with twice the test clips
TRAIN, TEST = 20, 10
EPOCHS = 20


@dataclass(frozen=True)
class Run:
    """Seconds of a run until its first job starts, until its last one ends, and until its report is written."""

    start: float
    jobs: float
    report: float


@dataclass(frozen=True)
class Model:
    """Seconds that the parts of a run take.

    Attributes
    ----------
    start
        Imports, reading the spec, warming up the workers, and the report of as many machines as were measured.
    machine
        One more machine in the report.
    check
        Checking a clip's header.
    features, score
        Per clip.
    fit
        Per job: with fewer than some 300 clips an epoch has its least number of steps, so it depends on the epochs.
    workers
        Jobs at a time; all figures are measured with as many, because jobs slow each other.
    """

    start: float
    machine: float
    check: float
    features: float
    score: float
    fit: float
    workers: int

    def run(self, machines: int, test: int) -> float:
        """Predict the seconds of a run: workers share the jobs, one process does the rest."""
        clips = TRAIN + 2 * test
        job = self.fit + clips * (self.features + self.score)
        driver = self.start + machines * clips * self.check + (machines - MEASURED) * self.machine
        return driver + -(-machines // self.workers) * job


def timed(folder: Path, workers: int, out: str, machines: int) -> Run:
    """Run, or resume, the first machines of the room in `folder`."""
    spec = rooms.make_spec(folder, [rooms.TRAINED.format(epochs=EPOCHS)], ["A"])
    chosen = [arg for machine in range(machines) for arg in ("--machine", f"m{machine:04}")]
    begin = planned = done = time.perf_counter()
    process = rooms.start(folder, "run", spec, "--out", out, "--set", f"compute.workers={workers}", *chosen)
    for line in process.stdout or ():
        if " left; run folder" in line:
            planned = time.perf_counter()
        if ": done in" in line:
            done = time.perf_counter()
    assert process.wait() == 0
    return Run(planned - begin, done - planned, time.perf_counter() - done)


def measure(folder: Path, workers: int, check: float) -> Model:
    """Measure the model for so many workers; the first job of each worker is left out."""
    out = f"measured-{workers}"
    six = timed(folder, workers, out, MEASURED)
    jobs = json.loads((folder / out / "results.json").read_text())["seconds"]
    more = timed(folder, workers, out, MEASURED + 2)
    warm = [jobs[title] for title in sorted(jobs)[workers:]]
    clips = TRAIN + 2 * TEST
    features, score, fit = (sum(job[step] for job in warm) / len(warm) for step in ("features", "score", "fit"))
    model = Model(0.0, (more.report - six.report) / 2, check, features / clips, score / clips, fit, workers)
    return replace(model, start=six.start + six.jobs + six.report - model.run(MEASURED, TEST))


def seconds_per_clip(paths: list[Path]) -> dict[str, float]:
    """Return the seconds to check a clip and to read it."""
    seconds = {}
    for name, call in {"check": audio.check, "read": lambda p: audio.read(p, sample_rate=rooms.RATE)}.items():
        begin = time.perf_counter()
        for path in paths:
            call(path)
        seconds[name] = (time.perf_counter() - begin) / len(paths)
    return seconds


def check(folder: Path, figures: Figures) -> None:
    """Measure small runs, predict larger ones, and run these."""
    small, large = folder / "small", folder / "large"
    rooms.make_room(small / "room", MEASURED + 2, train=TRAIN, test=TEST, seconds=10.0)
    rooms.make_room(large / "room", 2 * MEASURED, train=TRAIN, test=2 * TEST, seconds=10.0)
    timed(small, 1, "warm", 1)  # kernels compiled
    paths = sorted((small / "room").rglob("*.wav"))
    clip_seconds = seconds_per_clip(paths)
    figures.report("read a clip", f"{1000 * clip_seconds['read']:.3f} ms")
    stored = sum(path.stat().st_size for path in (small / "warm").glob("jobs/*/*/*"))
    figures.report("bytes of a clip, of a finished job", f"{paths[0].stat().st_size:,}, {stored:,}")
    for workers in (1, 2):
        model = measure(small, workers, clip_seconds["check"])
        on = f"on {workers} worker{'s' if workers > 1 else ''}"
        each = ", ".join(f"{name} {1000 * getattr(model, name):.3f} ms" for name in ("check", "features", "score"))
        figures.report(f"a clip {on}", each)
        others = (
            f"fit {model.fit:.2f} s, start and report {model.start:.2f} s, one more in the report {model.machine:.2f} s"
        )
        figures.report(f"a machine {on}", others)
        expected = model.run(2 * MEASURED, 2 * TEST)
        run = timed(large, workers, f"predicted-{workers}", 2 * MEASURED)
        wall = run.start + run.jobs + run.report
        off = wall / expected - 1
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        value = f"{wall:.1f} s, predicted {expected:.1f} s: {off:+.0%} ({load})"
        what = f"twice the machines, twice the test clips {on}"
        figures.report(what, value, "within 20 %", abs(off) <= TOLERANCE)


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), figures)
    return figures.exit_code
