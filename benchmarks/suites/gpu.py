"""On a GPU: whole epochs and scoring at the size of one DCASE machine, shares of the device's limits, Table 1 computed.

An epoch lasts from the end of the one before to its own: drawing, gathering, steps, and the copy of weights and moments
that a checkpoint holds; the first, which warms up, does not count. Limits are measured in the same run. What a step
takes is counted, not measured: see `Step`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from asdkit.api import NetworkDetector, StateValue
from asdkit.context import Context
from asdkit.features import IntArray, cut_windows
from asdkit.interfaces import Augmentation, Training
from asdkit.plugins import discover
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import autocast, torch_environment
from asdkit.training.trainer import Trainer
from benchmarks import machines
from benchmarks.harness import OURS, Result, summary

SUITE = "gpu"
MACHINES = 6
CLIPS = 4000  # to train with, of one machine
TESTED = 0.5  # clips to test with, for each of those: about as many as DCASE 2020 has
FEW = 64  # clips: to fit a standardisation on, and to warm up with
NO_CLIPS: IntArray = np.empty(0, np.int64)
Parameters = dict[str, float | int | str]


@dataclass(frozen=True)
class Member:
    """A detector of ``specs/dcase2020_table1.toml``: its plugin, windows, augmenters and options."""

    name: str
    use: str
    frames: int
    hop: int
    augmenters: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, **more: Any) -> NetworkDetector:
        """Make the detector, with more options."""
        entry = discover().entry("detector", self.use)
        detector: NetworkDetector = entry.load()(entry.config(**{**self.options, **more}))
        return detector

    def training(self, given: Training, *, augmented: bool = False) -> Training:
        """What the detector learns from: its own windows of given clips, with its augmenters or without."""
        given = replace(given, windows=cut_windows(given.features.offsets, self.frames, self.hop))
        used = []
        for name in self.augmenters if augmented else ():
            entry = discover().entry("augmenter", name)
            config: Any = entry.config()
            used.append(Augmentation(name, config, entry.load()(config)))
        more = [f"{of}~{a.name}:{variant}" for a in used for variant in a.config.variant_names for of in given.real_ids]
        return replace(given, class_names=(*given.class_names, *more), augmentations=tuple(used))


MEMBERS = (
    Member("AE", "autoencoder", 5, 1),
    Member("G", "group-made", 5, 1, (), {"likelihood": "conditional"}),
    Member("M", "id-classifier", 64, 8, ("mix", "warp")),
    Member("R", "id-classifier", 64, 8, ("mix", "warp"), {"backbone": "resnet-50"}),
    Member("A", "id-classifier", 64, 8, ("warp",), {"loss": "arcface"}),
)


@dataclass(frozen=True)
class Limits:
    """What a device reaches: products of large matrices [FLOP/s], copying within its memory [bytes/s]."""

    float32: float
    bfloat16: float
    memory: float


@dataclass(frozen=True)
class Step:
    """What one step of training takes at least.

    Attributes
    ----------
    flops
        Multiplications and additions of matrix products and convolutions, forward and backward; nothing elementwise.
    moved
        Bytes read and written: a weight four times (read forward, backward and by the optimiser, written by it), its
        gradient three times (written, read for the norm, read by the optimiser), its two moments twice each (read,
        written); a window four times (row read, batch written, read forward and backward); what is kept for the pass
        backward twice (written, read).
    bfloat16
        Whether its products are of bfloat16.
    """

    flops: float
    moved: float
    bfloat16: bool


class Clock(Context):
    """Notes when each epoch ends."""

    def __init__(self, device: torch.device) -> None:
        # A GPU is fed by all cores; the CPU is there for the suite's own test, which shares its cores with others.
        super().__init__(device=str(device), threads=(os.cpu_count() or 1) if device.type == "cuda" else 1)
        self.ends: list[float] = []

    def save_checkpoint(self, state: Mapping[str, StateValue]) -> None:
        self.ends.append(time.perf_counter())


def measure(quick: bool) -> Iterator[Result]:
    """All of it on the CUDA device; nothing where there is none."""
    if not torch.cuda.is_available():
        print(f"{SUITE}: there is no CUDA device here, so nothing is measured", file=sys.stderr)
        return
    device = torch.device("cuda")
    limits = measured_limits(device, 8192, 2**28)
    yield from limit_results(limits, torch.cuda.get_device_name(device))
    yield from table_1(device, limits, 400 if quick else CLIPS, 1 if quick else 3)


def measured_limits(device: torch.device, size: int, numbers: int) -> Limits:
    """Multiply square matrices of `size`, copy `numbers` of float32: the best of ten each."""

    def products(kind: torch.dtype) -> float:
        one, other = torch.randn(2, size, size, device=device).to(kind)
        out = torch.empty_like(one)
        return 2 * size**3 / min(_seconds(lambda: torch.mm(one, other, out=out), device, 10))

    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    copying = 2 * source.nbytes / min(_seconds(lambda: target.copy_(source), device, 10))
    return Limits(products(torch.float32), products(torch.bfloat16), copying)


def limit_results(limits: Limits, device: str) -> Iterator[Result]:
    """Limits as results, which name the device."""
    for name, value, unit in (
        ("products of float32", limits.float32 / 1e12, "TFLOP/s"),
        ("products of bfloat16", limits.bfloat16 / 1e12, "TFLOP/s"),
        ("copying, bytes read and written", limits.memory / 1e9, "GB/s"),
    ):
        yield summary(SUITE, f"limit: {name}", {"device": device}, OURS, [value], unit=unit)


def table_1(
    device: torch.device, limits: Limits, clips: int, samples: int, chosen: Sequence[Member] = MEMBERS, **options: Any
) -> Iterator[Result]:
    """Epochs and scoring of each member, then the time of Table 1 that follows; `options` are for all members."""
    given, seconds = machines.training(clips, 5), 0.0
    for member in chosen:
        plain = member.training(given)
        for precision in ("auto", "float32"):
            yield from _plain_epochs(member, plain, device, limits, samples, {**options, "precision": precision})
        rates, windows = epochs(member, member.training(given, augmented=True), device, samples, options)
        parameters: Parameters = {"clips": clips, "augmenters": "+".join(member.augmenters) or "none"}
        yield summary(SUITE, f"{member.name}: epoch as in Table 1", parameters, OURS, rates, unit="windows/s")
        speeds = scoring(member, plain, device, samples, options)
        yield summary(SUITE, f"{member.name}: scoring", {"clips": clips}, OURS, speeds, unit="windows/s")
        seconds += member.make(**options).config.epochs * windows / median(rates)
        seconds += (1 + TESTED) * len(plain.windows) / median(speeds)
    parameters = {"machines": MACHINES, "clips": clips, "tested": int(TESTED * clips)}
    note = "computed from the rates above and the default epochs: networks alone, not reading, features and files"
    yield summary(SUITE, "Table 1, computed", parameters, OURS, [MACHINES * seconds], note=note)


def _plain_epochs(
    member: Member, given: Training, device: torch.device, limits: Limits, samples: int, options: Mapping[str, Any]
) -> Iterator[Result]:
    """Epochs without augmenters, and what of the device's limits their steps use."""
    rates, _ = epochs(member, given, device, samples, options)
    detector = member.make(**options)
    step = counted(detector, member.frames, len(given.class_names), device)
    steps = [rate / detector.config.batch_size for rate in rates]  # a second
    products = limits.bfloat16 if step.bfloat16 else limits.float32
    parameters: Parameters = {"clips": len(given.ids), "precision": str(options["precision"])}
    for case, values, unit in (
        ("epoch", rates, "windows/s"),
        ("products of a step", [step.flops / 1e9], "GFLOP"),
        ("bytes of a step", [step.moved / 1e6], "MB"),
        ("share of the limit of products", [100 * n * step.flops / products for n in steps], "%"),
        ("share of the limit of copying", [100 * n * step.moved / limits.memory for n in steps], "%"),
    ):
        yield summary(SUITE, f"{member.name}: {case}", parameters, OURS, values, unit=unit)


def epochs(
    member: Member, given: Training, device: torch.device, samples: int, options: Mapping[str, Any]
) -> tuple[list[float], int]:
    """Windows a second of whole epochs by asdkit's own loop, after one to warm up; and the windows of an epoch."""
    detector, clock = member.make(**{**options, "epochs": 1 + samples}), Clock(device)
    config = detector.config
    ids = given.classes if detector.standardize_per_id else None
    standard = Standardizer.fit(given.features, np.arange(min(FEW, given.real)), ids, detector.less_level)
    with torch_environment(clock, "network"):
        network = detector.build(member.frames, machines.BANDS, len(given.class_names)).to(device)
        fit = Trainer(network, given, np.arange(given.real), NO_CLIPS, standard, config, clock)
        fit.run()
    draw = fit.sampler.sample(config.windows_per_clip, fit.batch_size, config.least_batches, clock.rng("draw"))
    return (len(draw.starts) / np.diff(clock.ends)).tolist(), len(draw.starts)


def scoring(
    member: Member, given: Training, device: torch.device, samples: int, options: Mapping[str, Any]
) -> list[float]:
    """Windows a second of scoring all windows, the matrix moved to the device each time."""
    detector, clock = member.make(**{**options, "epochs": 1}), Clock(device)
    detector.fit(member.training(machines.training(min(FEW, given.real), 5)), clock)
    times = _seconds(lambda: detector.score(given.features, given.windows, given.ids, clock), device, samples)
    return [len(given.windows) / t for t in times]


def counted(detector: NetworkDetector, frames: int, classes: int, device: torch.device) -> Step:
    """Count a step of the configured batch size, on the device."""
    network, config = detector.build(frames, machines.BANDS, classes).to(device).train(), detector.config
    windows = torch.randn(config.batch_size, frames, machines.BANDS, device=device)
    targets = torch.eye(classes, device=device)[torch.arange(config.batch_size) % classes]
    kept: dict[int, int] = {}  # place and bytes of what is kept for the pass backward

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward}) as counter:
        with autocast(device, config.precision, network.bfloat16_pays), saved_tensors_hooks(keep, lambda kept: kept):
            bfloat16 = torch.is_autocast_enabled(device.type)
            loss = network.loss(windows, targets)
        loss.backward()  # type: ignore[no-untyped-call]
    for tensor in (windows, *network.parameters(), *network.buffers()):  # counted by themselves, or small
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    weights = sum(parameter.nbytes for parameter in network.parameters())
    moved = (4 + 3 + 4) * weights + 4 * windows.nbytes + 2 * sum(kept.values())
    return Step(counter.get_total_flops(), moved, bfloat16)


def _backward(gradient: list[int], images: list[int], weight: list[int], *more: Any, **_: Any) -> int:
    """Operations of a convolution's pass backward: torch's own count takes no notice of groups."""
    by_images, by_weight, _by_bias = more[-1]
    return (by_images + by_weight) * conv_flop_count(images, weight, gradient)


def _seconds(work: Callable[[], Any], device: torch.device, samples: int) -> list[float]:
    """Times of some work, the device's part waited for, after one to warm up."""
    times = []
    for _ in range(1 + samples):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return times[1:]
