"""Constants of the cost model in docs/scaling.md, and whether it foretells a run on one and on two workers."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from asdkit import audio
from benchmarks.shows import rooms
from benchmarks.shows.figures import Figures

WITHIN = 0.2


def seconds_of(run: Path) -> tuple[dict[str, dict[str, float]], int]:
    """Seconds of each job by step, and clips of a job."""
    results = json.loads((run / "results.json").read_text())
    record = json.loads(next(run.glob("jobs/*/*/job.json")).read_bytes())
    return results["seconds"], len(record["clips"])


def measure(folder: Path, spec: Path, figures: Figures) -> dict[str, float]:
    """Run one machine alone on one worker; what it tells of each step [s]."""
    rooms.run(folder, "run", spec, "--out", "warm", "--machine", "m0000")  # kernels compiled, files in memory
    begin = time.perf_counter()
    ran = rooms.run(folder, "run", spec, "--out", "one", "--machine", "m0001")
    wall = time.perf_counter() - begin
    assert ran.returncode == 0, ran.stderr
    jobs, clips = seconds_of(folder / "one")
    model = {
        f"{step} a clip": sum(job.get(step, 0.0) for job in jobs.values()) / clips for step in ("features", "score")
    }
    model["fit a job"] = sum(job.get("fit", 0.0) for job in jobs.values()) / len(jobs)
    model["start"] = wall - sum(sum(job.values()) for job in jobs.values())
    paths = sorted((folder / "room").rglob("*.wav"))
    for name, look in {
        "check a clip": audio.check,
        "read a clip": lambda p: audio.read(p, sample_rate=rooms.RATE),
    }.items():
        begin = time.perf_counter()
        for path in paths:
            look(path)
        model[name] = (time.perf_counter() - begin) / len(paths)
    for name, value in model.items():
        figures.tell(name, f"{1000 * value:.3f} ms")
    size = sum(path.stat().st_size for path in paths) / len(paths)
    stored = sum(path.stat().st_size for path in (folder / "one").glob("jobs/*/*/*")) / len(jobs)
    figures.tell("bytes of a clip, of a finished job", f"{size:,.0f}, {stored:,.0f}")
    return model


def foretold(model: dict[str, float], machines: int, clips: int, workers: int) -> float:
    """Seconds of a run: start, checks, and jobs dealt out to the workers."""
    job = clips * (model["features a clip"] + model["score a clip"]) + model["fit a job"]
    return model["start"] + machines * clips * model["check a clip"] + -(-machines // workers) * job


def show(folder: Path, machines: int, figures: Figures) -> None:
    """Measure on one machine, foretell all of them, and run them."""
    rooms.make_room(folder / "room", machines, train=40, test=20, seconds=10.0)
    spec = rooms.make_spec(folder, [rooms.TRAINED.format(epochs=20)], ["A"])
    model = measure(folder, spec, figures)
    for workers in (1, 2):
        expected = foretold(model, machines, 80, workers)
        begin = time.perf_counter()
        ran = rooms.run(folder, "run", spec, "--out", f"all{workers}", "--set", f"compute.workers={workers}")
        wall = time.perf_counter() - begin
        assert ran.returncode == 0, ran.stderr
        off = wall / expected - 1
        what = f"{machines} machines on {workers} worker{'s' if workers > 1 else ''}"
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        figures.tell(
            what, f"{wall:.1f} s, foretold {expected:.1f} s: {off:+.0%} ({load})", "within 20 %", abs(off) <= WITHIN
        )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=6)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        show(Path(folder), options.machines, figures)
    return figures.exit_code
