"""A real run in seconds, with a tone burst planted in one test clip; its detectors need no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from asdkit.plugins import discover
from asdkit.run import make_plan, run_plan
from asdkit.spec import load_spec

RATE = 8000
SECONDS = 2.0
BEGIN, LENGTH, PITCH = 1.2, 0.2, 2500.0
"""Of the burst: s, s, Hz."""

SPEC = """
asdkit = 1
name = "planted"
[data]
layout = "folder"
root = "room"
sample_rate = 8000
[calibration]
held_out = {held_out}
false_alarm_rate = 0.2
[compute]
threads = 1
[featurizers.mel]
use = "log-mel"
n_fft = 512
hop_length = 256
n_mels = 64
[detectors.L]
use = "mahalanobis"
frames = 8
hop = 2
[detectors.K]
use = "knn"
frames = 8
hop = 2
[systems.both]
members = ["L", "K"]
fuser = {{ use = "z-score", combine = "mean" }}
"""


def write_clip(path: Path, seed: int, *, burst: bool = False) -> None:
    """Write noise and a hum, with a tone burst if `burst`."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(SECONDS * RATE)) / RATE
    wave = rng.normal(0, 0.03, len(time)) + 0.1 * np.sin(2 * np.pi * 220 * time)
    if burst:
        during = (time >= BEGIN) & (time < BEGIN + LENGTH)
        wave[during] += 0.2 * np.sin(2 * np.pi * PITCH * time[during]) * np.hanning(during.sum())
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (wave * 32767).astype(np.int16), RATE)


def make_run(folder: Path, *, tests: bool = True, held_out: float = 0.4, name: str = "burst.wav") -> Path:
    """Write twelve training clips, and four test clips if `tests`, run, and return the run folder.

    The one anomalous test clip has the burst and is called `name`.
    """
    train = folder / "room" / "fan" / "train"
    for i in range(12):
        write_clip(train / f"{i:02}.wav", i)
    if tests:
        for i in range(3):
            write_clip(folder / "room" / "fan" / "test" / "normal" / f"{i:02}.wav", 100 + i)
        write_clip(folder / "room" / "fan" / "test" / "anomaly" / name, 200, burst=True)
    (folder / "spec.toml").write_text(SPEC.format(held_out=held_out))
    registry = discover()
    spec = load_spec(folder / "spec.toml", registry=registry)
    run = folder / "run"
    run_plan(make_plan(spec, run, registry))
    return run
