"""A small room of real-looking recordings, and specs that run on it in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from tests.helpers.packages import install

SPECTRUM = (Path(__file__).parents[2] / "examples" / "asdkit-mean-spectrum" / "asdkit_mean_spectrum.py").read_text()


RATE = 8000


def write_clip(path: Path, seed: int, *, fault: bool = False, seconds: float = 1.0) -> None:
    """Noise through a machine's resonance; a fault adds a tone."""
    rng = np.random.default_rng(seed)
    wave = rng.normal(0, 0.05, int(seconds * RATE))
    time = np.arange(len(wave)) / RATE
    wave += 0.1 * np.sin(2 * np.pi * 440 * time)
    if fault:
        wave += 0.05 * np.sin(2 * np.pi * 2500 * time)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (wave * 32767).astype(np.int16), RATE)


def make_room(root: Path) -> Path:
    """Write those clips."""
    seed = 0
    for machine in ("fan", "pump"):
        for id_ in ("00", "02"):
            for split, label, count in (("train", "normal", 4), ("test", "normal", 3), ("test", "anomaly", 3)):
                for i in range(count):
                    seed += 1
                    name = f"{label}_id_{id_}_{i:08}.wav"
                    write_clip(root / machine / split / name, seed, fault=label == "anomaly")
    return root


SPEC = """
asdkit = 1
name = "small"
seed = 1

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000

[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 32

[detectors.S]
use = "mean-spectrum"

[detectors.S4]
extends = "S"
order = 4.0

[detectors.long]
extends = "S"
frames = 10
pool = "max"

[systems.one]
members = ["S"]

[systems.both]
members = ["S", "S4"]
fuser = { use = "z-score", combine = "mean" }
"""


def make_spec(folder: Path) -> Path:
    """Write the spec, and install the plugin."""
    install(
        folder / "site",
        "asdkit-mean-spectrum",
        {"asdkit_mean_spectrum.py": SPECTRUM},
        {"mean-spectrum": "asdkit_mean_spectrum"},
    )
    path = folder / "spec.toml"
    path.write_text(SPEC)
    return path


FAULTY = """
import os, time
from asdkit.api import DetectorConfig, Entry, hookimpl
from asdkit_mean_spectrum import Spectrum, SpectrumConfig

class Config(SpectrumConfig):
    how: str = "raise"

class Faulty(Spectrum):
    def fit(self, training, ctx):
        if self.config.how == "raise":
            raise ValueError("no good")
        if self.config.how == "die":
            os.kill(os.getpid(), 9)
        if self.config.how == "memory":
            import numpy
            numpy.ones((1 << 40, 64))
        if self.config.how == "exit":
            raise SystemExit(3)
        if self.config.how == "slow":
            for i in range(600):
                ctx.progress(epoch=i, epochs=600, loss=0.5)
                time.sleep(0.02)
                if ctx.should_stop():
                    from asdkit.api import Stopped
                    raise Stopped("asked to")
        super().fit(training, ctx)

    def score(self, *args):
        scores = super().score(*args)
        return scores * float("nan") if self.config.how == "nan" else scores

    def state(self):
        return super().state() | ({"scale": float("nan")} if self.config.how == "nan state" else {})

@hookimpl
def asdkit_detectors():
    return [Entry("faulty", Config, Faulty, defaults={"frames": 5})]
"""


def job_folders(run: Path) -> dict[str, int]:
    """Each finished job's folder, and when its record was written."""
    return {p.parent.name: p.stat().st_mtime_ns for p in run.glob("jobs/*/*/job.json")}


def results_of(run: Path) -> dict[str, object]:
    """What ``results.json`` holds."""
    return json.loads((run / "results.json").read_text())
