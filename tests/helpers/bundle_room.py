"""A room and a spec of light detectors, with clips held out, of which bundles are made."""

from __future__ import annotations

from pathlib import Path

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
    """One machine with two ids: healthy clips to learn from, normal and anomalous ones to score."""
    seed = 0
    for id_ in ("00", "02"):
        for split, label, count in (("train", "normal", train), ("test", "normal", test), ("test", "anomaly", test)):
            for i in range(count):
                seed += 1
                name = f"{label}_id_{id_}_{i:08}.wav"
                write_clip(root / "fan" / split / name, seed, fault=label == "anomaly")
