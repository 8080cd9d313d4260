"""Training, beside the straightforward way: steps of Group MADE and MobileNetV2; memory and cost of whole fits."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.detector import GroupMade, GroupMadeNetwork
from asdkit_id_classifier.config import IdClassifierConfig
from asdkit_id_classifier.detector import ClassifierNetwork, IdClassifier

from asdkit.api import NetworkConfig, NetworkDetector, WindowNetwork
from asdkit.context import Context
from asdkit.features import IntArray
from asdkit.interfaces import Training
from asdkit.training.batches import HostBatches, WindowSource
from asdkit.training.sampling import EpochSample
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import has_native_bfloat16, torch_environment
from asdkit.training.trainer import Trainer
from benchmarks import machines, straightforward
from benchmarks.harness import OURS, Case, NotEqual, Result, confined, run, summary
from benchmarks.suites.features import status

SUITE = "train"
CLIPS, STEPS = 64, 4
FEW = 128  # clips: two full batches of the classifier at a window each
NO_CLIPS: IntArray = np.empty(0, np.int64)


def measure(quick: bool) -> Iterator[Result]:
    """Steps on one core and two, then the memory and the cost of fits."""
    for threads in (1, 2):
        for order in ("middle", "causal"):
            yield from _group_made(order, threads, 2 if quick else 5)
        yield from _mobilenet(threads, 2 if quick else 5)
    for detector in ("group-made", "mobilenet-v2"):
        yield from _memory(detector, FEW)  # next to no matrix: what the model itself needs
        yield from _memory(detector, 2 * FEW if quick else 4000)
    yield from _growth(10 if quick else 1, 1 if quick else 5)


def same_loss(ours: float, theirs: float, what: str) -> None:
    """Refuse networks whose loss on the first batch differs: they would not do the same work."""
    if not abs(ours - theirs) <= 1e-4:
        raise NotEqual(f"{SUITE}, {what}: the straightforward loss is {theirs:.6f}, asdkit's {ours:.6f}")


def first_batch(given: Training, standard: Standardizer, batch_size: int) -> torch.Tensor:
    """Windows of asdkit's first batch when they are taken in order [float32, ``[batch, frames, bands]``]."""
    assert isinstance(given.windows.frames, int)
    source = WindowSource(given.features, given.windows.frames, 2, standard, [])
    draw = EpochSample.plain(given.windows.starts[:batch_size], np.zeros(batch_size, np.int64), batch_size)
    return next(HostBatches(source, batch_size, 1).epoch(draw, 0, 0)).windows


def _epoch(network: WindowNetwork, given: Training, standard: Standardizer, config: NetworkConfig, threads: int) -> Any:
    """One epoch by asdkit's loop, drawing and gathering included; the network goes on learning call by call."""
    clips = np.arange(given.real)
    ctx = Context(threads=threads)

    def epoch() -> None:
        with torch_environment(ctx, "network"):
            Trainer(network, given, clips, NO_CLIPS, standard, config, ctx).run()

    return epoch


def _group_made(order: Literal["middle", "causal"], threads: int, samples: int) -> Iterator[Result]:
    given = machines.training(CLIPS, 5)
    standard = Standardizer.fit(given.features, np.arange(CLIPS))
    config = GroupMadeConfig(order=order, epochs=1, windows_per_clip=512 * STEPS // CLIPS, least_batches=1)
    data = straightforward.stacked(given.features, given.windows, standard, machines.targets(given, given.windows))
    contenders: dict[str, Callable[[], Any]] = {}
    precisions: list[tuple[str, Literal["float32", "bfloat16"]]] = [(OURS, "float32")]
    if has_native_bfloat16(torch.device("cpu")):
        precisions.append((f"{OURS}, bfloat16", "bfloat16"))
    networks = []
    for name, precision in precisions:
        torch.manual_seed(0)
        network = GroupMadeNetwork(config.groups(5), machines.BANDS, config)
        networks.append(network)
        chosen = config.model_copy(update={"precision": precision})
        contenders[name] = _epoch(network, given, standard, chosen, threads)
    ways = {"dense, masked, naive mixture": True}
    if order == "middle":
        ways["the same, mixtures of the scored frame alone"] = False
    for name, everything in ways.items():
        dense = straightforward.DenseMade(5, machines.BANDS, config, all_densities=everything).copy(networks[0])
        _same_first_step(networks[0], dense, dense.loss, given, standard, data, 512, name)
        contenders[name] = _straightforward(dense, dense.loss, data, 512)
    parameters: dict[str, float | int | str] = {"threads": threads, "batch": 512, "steps": STEPS}
    yield from run(Case(SUITE, f"Group MADE, {order}", parameters, contenders, threads=threads, samples=samples))


def _straightforward(network: torch.nn.Module, loss: straightforward.Loss, data: Any, batch: int) -> Any:
    return lambda: straightforward.train(loss, network, data, batch * STEPS, batch)


def _same_first_step(
    ours: WindowNetwork, theirs: torch.nn.Module, loss: straightforward.Loss, given: Training, standard: Standardizer,
    data: straightforward.TensorDataset, batch: int, what: str,
) -> None:  # fmt: skip
    windows, targets = data[:batch]
    ours.train()
    theirs.train()
    with confined(1), torch.no_grad():
        same_loss(float(ours.loss(first_batch(given, standard, batch), targets)), float(loss(windows, targets)), what)


def _mobilenet(threads: int, samples: int) -> Iterator[Result]:
    given = machines.training(CLIPS, 64, 8)
    standard = Standardizer.fit(given.features, np.arange(CLIPS))
    config = IdClassifierConfig(epochs=1, windows_per_clip=64 * STEPS // CLIPS, least_batches=1)
    data = straightforward.stacked(given.features, given.windows, standard, machines.targets(given, given.windows))
    torch.manual_seed(0)
    ours = ClassifierNetwork(2, config)
    theirs = straightforward.nchw(ours)

    def loss(windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(theirs(windows[:, None]), targets)

    name = "NCHW, stacked windows"
    _same_first_step(ours, theirs, loss, given, standard, data, 64, name)
    contenders = {
        OURS: _epoch(ours, given, standard, config, threads),
        name: _straightforward(theirs, loss, data, 64),
    }
    parameters: dict[str, float | int | str] = {"threads": threads, "batch": 64, "steps": STEPS}
    yield from run(Case(SUITE, "MobileNetV2", parameters, contenders, threads=threads, samples=samples))


def _detector(name: str, **options: int) -> tuple[NetworkDetector, int, int]:
    """A detector, and frames and hop of its windows."""
    if name == "group-made":
        return GroupMade(GroupMadeConfig(epochs=1, **options)), 5, 1
    return IdClassifier(IdClassifierConfig(epochs=1, **options)), 64, 8


def _memory(detector: str, clips: int) -> Iterator[Result]:
    """Rise of memory over a fit in a process of its own, over that after imports and a small fit."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.suites.train", detector, str(clips)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    parameters: dict[str, float | int | str] = {"threads": 2, "clips": clips, "detector": detector}
    found: dict[str, float] = json.loads(done.stdout)
    for name, megabytes in found.items():
        yield summary(SUITE, f"memory: {name}", parameters, OURS, [megabytes], unit="MB")


def _fit_and_weigh(name: str, clips: int) -> dict[str, float]:
    """Size of the packed matrix, and how far resident memory rose until the fit's end."""
    detector, frames, hop = _detector(name, windows_per_clip=1, least_batches=1)
    detector.fit(machines.training(4, frames, hop), Context(threads=2))
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = status("VmRSS")
    given = machines.training(clips, frames, hop)
    detector.fit(given, Context(threads=2))
    return {
        "packed matrix": given.features.frames.nbytes / 1e6,
        "rise of peak resident memory": status("VmHWM") - before,
    }


def _growth(divisor: int, samples: int) -> Iterator[Result]:
    """Processor time of a fit by number of clips, and by overlap with the same number of windows drawn; in turns."""
    cases = [
        (1000 // divisor, 1),
        (2000 // divisor, 1),
        (4000 // divisor, 1),
        (1000 // divisor, 2),
        (1000 // divisor, 5),
    ]
    given = [machines.training(clips, 5, hop) for clips, hop in cases]
    times: list[list[float]] = [[] for _ in cases]
    detector, *_ = _detector("group-made")
    with confined(1):
        detector.fit(machines.training(4, 5), Context())
        for _ in range(samples):
            for training, measured in zip(given, times, strict=True):
                begin = time.process_time()
                detector.fit(training, Context())
                measured.append(time.process_time() - begin)
    for (clips, hop), measured in zip(cases, times, strict=True):
        parameters: dict[str, float | int | str] = {"threads": 1, "clips": clips, "hop": hop, "windows_per_clip": 32}
        yield summary(SUITE, "fit of Group MADE, one epoch", parameters, OURS, measured)


if __name__ == "__main__":
    print(json.dumps(_fit_and_weigh(sys.argv[1], int(sys.argv[2]))))
