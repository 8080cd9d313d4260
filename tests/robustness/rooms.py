"""Recordings of small synthetic machines, specs of light detectors for them, and the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.rooms import RATE, write_clip

__all__ = ["RATE", "write_clip"]
HEAD = """
asdkit = 1
name = "room"
seed = 1

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000

[compute]
device = "cpu"
threads = 1

[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 32
"""
KNN = """
[detectors.K{i}]
use = "knn"
neighbours = {n}
"""
TRAINED = """
[detectors.A]
use = "autoencoder"
epochs = {epochs}
"""
RESTING = """
[detectors.R]
use = "resting"
seconds = {seconds}
"""
RESTS = """
import time
from asdkit.api import Entry, hookimpl
from asdkit_statistics.config import KnnConfig
from asdkit_statistics.knn import Knn

class Config(KnnConfig):
    seconds: float = 1.0

class Resting(Knn):
    def fit(self, training, ctx):
        time.sleep(self.config.seconds)
        super().fit(training, ctx)

@hookimpl
def asdkit_detectors():
    return [Entry("resting", Config, Resting, defaults={"frames": "clip"})]
"""
COUNTED = """
[detectors.C]
use = "counted"
epochs = {epochs}
"""
COUNTS = """
import os
from asdkit_autoencoder.detector import Autoencoder

class Counted(Autoencoder):
    def fit(self, training, ctx):
        machine, run = ctx.work.parent, ctx.work.parents[2]
        path = os.path.join(os.environ["COUNTS"], f"{run.name}-{machine.name}")
        with open(path, "ab", buffering=0) as self.counts:
            super().fit(training, ctx)

    def build(self, frames, bands, classes):
        network = super().build(frames, bands, classes)
        loss = network.loss

        def counted(windows, targets):
            if network.training:
                self.counts.write(b".")
            return loss(windows, targets)

        network.loss = counted
        return network
"""
COUNTS_ENTRY = """
from asdkit.api import Entry, hookimpl
from asdkit_autoencoder.config import AutoencoderConfig

@hookimpl
def asdkit_detectors():
    return [Entry("counted", AutoencoderConfig, "asdkit_counted_detector:Counted", defaults={"frames": 5})]
"""
SYSTEM = """
[systems.all]
members = [{members}]
fuser = {{ use = "z-score" }}
"""


def make_room(root: Path, machines: int, *, train: int = 6, test: int = 3, seconds: float = 1.0) -> None:
    """Write machines of one id each, with training clips and as many normal as anomalous test clips."""
    seed = 0
    for machine in range(machines):
        for split, label, count in (("train", "normal", train), ("test", "normal", test), ("test", "anomaly", test)):
            for i in range(count):
                seed += 1
                path = root / f"m{machine:04}" / split / f"{label}_id_00_{i:08}.wav"
                write_clip(path, seed, fault=label == "anomaly", seconds=seconds)


def make_spec(folder: Path, detectors: list[str], names: list[str]) -> Path:
    """Write a spec of these detectors, fused, into a folder with a ``room``."""
    members = ", ".join(f'"{name}"' for name in names)
    path = folder / "spec.toml"
    path.write_text("\n".join([HEAD, *detectors, SYSTEM.format(members=members)]))
    return path


def install_resting(site: Path) -> None:
    """Install a detector that waits instead of computing: its jobs take the same time under any load."""
    _install(site, "resting", {"asdkit_resting": RESTS})


def install_counted(site: Path, counts: Path) -> None:
    """Install an autoencoder that adds a byte to a file in `counts` for each training batch."""
    _install(site, "counted", {"asdkit_counted": COUNTS_ENTRY, "asdkit_counted_detector": COUNTS})
    counts.mkdir()
    os.environ["COUNTS"] = str(counts)


def _install(site: Path, name: str, modules: dict[str, str]) -> None:
    """Install a plugin for the commands of this process."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[asdkit]\n{name} = asdkit_{name}\n")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))


def command(*args: object) -> list[str]:
    """Return the arguments of the real command."""
    return [sys.executable, "-m", "asdkit", *map(str, args)]


def environment(**more: str) -> dict[str, str]:
    """Return an environment with one thread per process."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **more}


def run(folder: Path, *args: object, timeout: float = 600, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    return subprocess.run(
        command(*args),
        cwd=folder,
        env=environment(**env),
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=timeout,
        check=False,
    )


def start(folder: Path, *args: object) -> subprocess.Popen[str]:
    """Start the real command in its own session, so that all its processes can be found."""
    return subprocess.Popen(
        command(*args),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
