"""Run one job of each detector beside its estimate: peak memory above that of a minimal job, and processor time."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.robustness import rooms
from tests.robustness.figures import Figures

DATA = Path(__file__).parents[3] / "shared" / "data" / "drone_dev"
SKIPPED = 77
MEMORY, TIME = 3.0, 5.0  # factors between estimate and measurement that are demanded at most

HEAD = """
asdkit = 1
name = "one"

[data]
layout = "dcase2020"
root = {root!r}

[compute]
device = "cpu"
threads = 1

[featurizers.logmel]
use = "log-mel"
{featurizer}

[augmenters.mix]
use = "mix"
domain = "power"

[augmenters.resample]
use = "resample"

[detectors.D]
"""
CLASSIFIER = 'use = "id-classifier"\naugmenters = ["mix", "resample"]\nscore = "mahalanobis"\n'
DETECTORS = {
    "knn": 'use = "knn"',
    "mahalanobis": 'use = "mahalanobis"',
    "gmm": 'use = "gmm"',
    "autoencoder": 'use = "autoencoder"',
    "group-made": 'use = "group-made"',
    "mobilenet-v2": CLASSIFIER,
    "resnet-50": f'{CLASSIFIER}backbone = "resnet-50"\nepochs = 1\nleast_batches = 10',
    "knn of windows": 'use = "knn"\nframes = 32\nhop = 8',
    "wide autoencoder": 'use = "autoencoder"\nhidden = 2048\nepochs = 2',
    "causal group-made": 'use = "group-made"\norder = "causal"\nepochs = 3',
}
LEAST = "epochs = 1\nbatch_size = 2\nleast_batches = 1\nwindows_per_clip = 1\n"


def write_spec(folder: Path, root: Path, detector: str, featurizer: str = "") -> Path:
    """Write a spec of one detector."""
    path = folder / "spec.toml"
    path.write_text(HEAD.format(root=str(root), featurizer=featurizer) + detector + "\n")
    return path


def measure(spec: Path, out: Path) -> tuple[float, float]:
    """Run a spec in a process of its own; return its peak memory [bytes] and its processor time [s]."""
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "asdkit", "run", str(spec), "--out", str(out)],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)],
    )
    _, status, used = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, spec.read_text()
    return used.ru_maxrss * 1024, used.ru_utime + used.ru_stime


def estimate(spec: Path, folder: Path) -> tuple[float, float]:
    """Return the estimated memory beside libraries [bytes], and time [s]."""
    from asdkit.plugins import discover
    from asdkit.run import make_plan
    from asdkit.spec import load_spec

    registry = discover()
    (job,) = make_plan(load_spec(spec, registry=registry), folder / "none", registry).estimates
    return job.bytes - job.memory[""], job.seconds


def check_speed(figures: Figures) -> None:
    """Measure products of float32 matrices on one thread."""
    import torch

    from asdkit.run.estimates import OPERATIONS_PER_S

    torch.set_num_threads(1)
    left, right = torch.randn(512, 640), torch.randn(640, 128)
    best = float("inf")
    for _ in range(100):
        begin = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begin)
    speed = 2 * 512 * 640 * 128 / best / 1e9
    figures.report("speed of one thread", f"{speed:.0f} GFLOP/s; estimates assume {OPERATIONS_PER_S / 1e9:.0f}")


def check_detector(name: str, root: Path, folder: Path, figures: Figures) -> None:
    """Run one detector on the recordings, and beside it on a minimal room for the memory of its libraries."""
    detector = DETECTORS[name]
    small = folder / "small"
    small.mkdir(parents=True)
    rooms.make_room(small / "room", 1, train=1, test=1, seconds=1.0)
    kind = detector.splitlines()[0]
    network = any(use in kind for use in ("autoencoder", "group-made", "id-classifier"))
    options = kind + ("\n" + LEAST if network else "")
    options += 'augmenters = ["resample"]\nframes = 8\n' if "id-classifier" in kind else ""
    base, _ = measure(write_spec(small, small / "room", options, "n_mels = 16"), folder / "run-small")
    spec = write_spec(folder, root, detector)
    memory, seconds = estimate(spec, folder)
    peak, used = measure(spec, folder / "run")
    for what, own, measured, unit, most in (
        ("memory", memory / 2**20, (peak - base) / 2**20, "MiB", MEMORY),
        ("time", seconds, used, "s", TIME),
    ):
        factor = max(own / measured, measured / own)
        figure = f"estimated {own:.0f} {unit}, measured {measured:.0f} {unit}: a factor of {factor:.1f}"
        figures.report(f"{name}, {what}", figure, f"< {most:g}", factor < most)


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="recordings in the layout dcase2020")
    parser.add_argument("--only", nargs="+", choices=DETECTORS, default=list(DETECTORS), metavar="NAME")
    options = parser.parse_args(argv)
    if not options.data.is_dir():
        print(f"skipped: no recordings in {options.data}")
        return SKIPPED
    figures = Figures()
    check_speed(figures)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(options.only):
            check_detector(name, options.data.resolve(), Path(folder) / str(number), figures)
    return figures.exit_code
