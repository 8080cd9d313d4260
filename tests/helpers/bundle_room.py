"""Recordings, spec and finished run of light detectors with clips held out, to make bundles from."""

from __future__ import annotations

from pathlib import Path

from asdkit.plugins import Registry, discover
from asdkit.run import make_plan, run_plan
from asdkit.spec import load_spec
from tests.helpers.rooms import write_clip

SPEC = """
asdkit = 1
name = "small"
seed = 1

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000

[compute]
threads = 1

[calibration]
held_out = 0.5
false_alarm_rate = 0.1

[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 32

[featurizers.fine]
use = "log-mel"
n_fft = 256
hop_length = 64
n_mels = 16

[detectors.K]
use = "knn"
featurizer = "mel"
frames = 5

[detectors.I]
use = "mahalanobis"
featurizer = "fine"
scope = "id"
frames = 8
hop = 4
pool = { top = 3 }

[systems.both]
members = ["K", "I"]
fuser = { use = "z-score" }
"""


def make_room(root: Path, *, train: int = 20, test: int = 4) -> None:
    """Write clips of one machine with two ids: healthy training clips, normal and anomalous test clips."""
    seed = 0
    for id_ in ("00", "02"):
        for split, label, count in (("train", "normal", train), ("test", "normal", test), ("test", "anomaly", test)):
            for i in range(count):
                seed += 1
                name = f"{label}_id_{id_}_{i:08}.wav"
                write_clip(root / "fan" / split / name, seed, fault=label == "anomaly")


def finished_run(
    folder: Path, spec: str = SPEC, *, train: int = 20, test: int = 4, registry: Registry | None = None
) -> Path:
    """Write the recordings (``folder / "room"``) and the spec, and run it; return the run folder."""
    registry = registry or discover()
    make_room(folder / "room", train=train, test=test)
    (folder / "spec.toml").write_text(spec)
    run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    return folder / "run"
