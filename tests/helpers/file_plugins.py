"""A package whose plugins of every kind read a file that an option names, and a spec that uses all of them."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.packages import install
from tests.helpers.rooms import SPECTRUM

SOURCE = '''
import numpy as np
from asdkit.api import AugmenterConfig, Config, DetectorConfig, Entry, Field, FilePath, hookimpl
from asdkit_mean_spectrum import Spectrum

def number(file):
    return np.float32(file.read().decode())

class FrameConfig(Config):
    model: FilePath = Field(description="factor of the frames")

class Frames:
    """Mean magnitudes of 4 pieces of each 128 samples, divided by the mean of the training clips: it has a state."""
    bands, scale = 4, "power"

    def __init__(self, config):
        self.factor = number(config.model)

    def fit(self, waves, sample_rate, ctx):
        self.mean = np.array([self.factor * np.abs(wave / np.float32(32768)).mean() for wave in waves]).mean()

    def state(self):
        return {"mean": float(self.mean)}

    def load(self, state):
        self.mean = state["mean"]

    def rows(self, n_samples):
        return n_samples // 128

    def fill(self, wave, sample_rate, out):
        wave = wave / np.float32(32768) if wave.dtype == np.int16 else wave
        pieces = np.abs(wave[: len(out) * 128].reshape(len(out), 4, 32))
        out[:] = self.factor / np.float32(self.mean) * pieces.mean(axis=2, dtype=np.float32)

class LouderConfig(AugmenterConfig):
    factors: tuple[FilePath, ...] = Field(description="a factor of each variant")

    @property
    def variant_names(self):
        return tuple(str(i) for i in range(len(self.factors)))

class Louder:
    kind = "wave"

    def __init__(self, config):
        self.factors = [number(file) for file in config.factors]

    def samples(self, n_samples, variant):
        return n_samples

    def vary(self, wave, sample_rate, variant):
        return (wave * self.factors[variant]).astype(wave.dtype)

class OffsetConfig(DetectorConfig):
    order: float = 2.0
    offsets: dict[str, FilePath] = Field(description="added to the scores, by any name")

class Offset(Spectrum):
    def score(self, *args):
        return super().score(*args) + sum(number(file) for file in self.config.offsets.values())

class SumConfig(Config):
    weight: FilePath | None = Field(None, description="factor of the sum")

class Sum:
    def __init__(self, config):
        self.config = config

    def fit(self, train_scores, ids):
        pass

    def fuse(self, scores, ids):
        return scores.sum(axis=1) * number(self.config.weight)

    def state(self):
        return {}

    def load(self, state):
        pass

@hookimpl
def asdkit_featurizers():
    return [Entry("frames", FrameConfig, Frames)]

@hookimpl
def asdkit_augmenters():
    return [Entry("louder", LouderConfig, Louder)]

@hookimpl
def asdkit_detectors():
    return [Entry("offset", OffsetConfig, Offset, defaults={"frames": 5})]

@hookimpl
def asdkit_fusers():
    return [Entry("sum", SumConfig, Sum)]
'''
SPEC = """asdkit = 1
name = "files"
[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000
machines = ["fan"]
[featurizers.F]
use = "frames"
model = "models/frames.bin"
[augmenters.L]
use = "louder"
factors = ["models/louder.bin"]
[detectors.A]
use = "offset"
offsets = { first = "models/a.bin", second = "./models/frames.bin" }
augmenters = ["L"]
[detectors.B]
extends = "A"
order = 4.0
[systems.both]
members = ["A", "B"]
fuser = { use = "sum", weight = "models/weight.bin" }
"""
NUMBERS = {"frames": "0.3", "louder": "1.7", "a": "0.123", "weight": "0.7"}


def write_file_spec(folder: Path) -> Path:
    """Write the spec and its files, and install the package."""
    sources = {"asdkit_mean_spectrum.py": SPECTRUM, "asdkit_files.py": SOURCE}
    install(folder / "site", "asdkit-files", sources, {"files": "asdkit_files"})
    (folder / "models").mkdir()
    for name, number in NUMBERS.items():
        (folder / f"models/{name}.bin").write_text(number)
    path = folder / "spec.toml"
    path.write_text(SPEC)
    return path
