"""Networks on a GPU: scores as on the CPU, fits that learn and resume, and no waiting within an epoch.

``nox -s tests -- -m gpu`` runs them on a machine with a GPU; elsewhere those tests skip.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import torch
from asdkit_id_classifier.mobilenet import mobilenet_v2
from torch.utils._python_dispatch import TorchDispatchMode

from asdkit.api import Context, NetworkDetector, Stopped, Training
from asdkit.training import detector as detector_module
from asdkit.training import trainer as trainer_module
from asdkit.training.batches import DeviceBatches, HostBatches, WindowSource
from asdkit.training.sampling import EpochSample, Sampler
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import torch_environment
from asdkit.training.trainer import Trainer
from tests.helpers.detector_cases import NETWORKS, Case, every_network
from tests.helpers.detector_rooms import AUGMENTATIONS, Keeper, clips, training

IDS = ["id_00", "id_01"] * 6
CUDA = "cuda"
_SHORT = {"epochs": 2, "windows_per_clip": 8, "batch_size": 16, "least_batches": 6}
_CLASSIFIER = {**_SHORT, "windows_per_clip": 2}
# Networks of their real sizes, for sums of real lengths.
REAL = [
    Case("G", "group-made", _SHORT),
    Case("G, causal", "group-made", {**_SHORT, "order": "causal"}),
    Case("M", "id-classifier", _CLASSIFIER, 64),
    Case("R", "id-classifier", {**_CLASSIFIER, "backbone": "resnet-50"}, 64),
    Case("A", "id-classifier", {**_CLASSIFIER, "loss": "arcface"}, 64),
    Case("M, logarithms", "id-classifier", {**_CLASSIFIER, "score": "negative-log"}, 64),
    Case("M, distances", "id-classifier", {**_CLASSIFIER, "score": "mahalanobis"}, 64),
]
real_network = pytest.mark.parametrize("case", REAL, ids=str)


def on_gpu(test: Any) -> Any:
    """Mark a test that needs a CUDA device; it skips where there is none."""
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")(test))


def gpu_keeper(stop_after: int | None = None, **options: Any) -> Keeper:
    """A context on the GPU that keeps checkpoints."""
    keeper = Keeper(stop_after, **options)
    keeper.device = CUDA
    return keeper


def real_training(case: Case) -> Training:
    """A dozen clips with the bands of log-mel, and a few windows of each."""
    features = clips(IDS, 80 if case.frames == 64 else 24, bands=128)
    return training(features, IDS, case.frames, 8 if case.frames == 64 else 1)


def augmentations(case: Case) -> tuple[Any, ...]:
    """Window augmenters that a network can learn with: ArcFace takes no blends."""
    return AUGMENTATIONS[:1] if case.name == "arcface" else AUGMENTATIONS


def assert_same_scores(fitted: NetworkDetector, case: Case, data: Training) -> None:
    """Load the state of a detector twice, and score on the CPU and on the GPU."""
    scores = []
    for name in ("cpu", CUDA):
        loaded = case.make()
        loaded.load(fitted.state())
        scores.append(loaded.score(data.features, data.windows, IDS, Context(device=name, threads=2)))
    # Log-likelihoods cross zero and distances begin there, where relative errors mean nothing.
    near_zero = case.use == "group-made" or case.options.get("score") == "mahalanobis"
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3, atol=1e-4 if near_zero else 0)


@on_gpu
@pytest.mark.parametrize("device", ["cpu", CUDA])
@real_network
def test_scores_on_a_gpu_equal_those_on_the_cpu(case: Case, device: str) -> None:
    data, fitted = real_training(case), case.make()
    fitted.fit(data, Context(device=device))
    assert_same_scores(fitted, case, data)


@on_gpu
@every_network
def test_a_fit_on_a_gpu_learns(case: Case) -> None:
    data = training(clips(IDS), IDS, case.frames)
    initial = case.make(epochs=1, least_batches=1, learning_rate=1e-12, weight_decay=0.0)
    initial.fit(data, Context(device=CUDA, seed=2))
    trained, ctx = case.make(epochs=6), gpu_keeper(seed=2)
    trained.fit(data, ctx)
    losses = [report["loss"] for report in ctx.reports]
    assert len(losses) == 6  # one report at the end of each epoch, none within
    assert losses[-1] < losses[0]
    before, after = initial.state(), trained.state()
    for name in before:
        if name.startswith("network.") and "num_batches" not in name:
            assert (before[name] != after[name]).any(), name


@on_gpu
@every_network
def test_a_fit_on_a_gpu_resumes_from_a_checkpoint(case: Case) -> None:
    data = training(clips(IDS), IDS, case.frames, augmentations=augmentations(case))
    uninterrupted, whole = case.make(epochs=3, validation=0.3), gpu_keeper(10**6)
    uninterrupted.fit(data, whole)
    assert whole.left is not None
    stopped = gpu_keeper((10**6 - whole.left) // 3 + 2)  # in the second epoch
    with pytest.raises(Stopped):
        case.make(epochs=3, validation=0.3).fit(data, stopped)
    resumed, rest = case.make(epochs=3, validation=0.3), gpu_keeper(kept=stopped.kept)
    resumed.fit(data, rest)
    assert [report["epoch"] for report in rest.reports] == [2, 3]
    # The order of a GPU's sums varies, so results are not bit-identical.
    np.testing.assert_allclose(rest.reports[-1]["loss"], whole.reports[-1]["loss"], rtol=0.1, atol=0.05)


class NonWaitingTrainer(Trainer):
    """Makes torch raise where the host waits for the device, from an epoch's begin to its report."""

    def _epoch(self, sample: EpochSample) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            super()._epoch(sample)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def _report(self, *args: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")
        super()._report(*args)


# Torch warns at first use that it does not detect every wait; it detects `item`, blocking copies and `nonzero`.
@on_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode:UserWarning")
@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("precision", ["float32", "auto"])
@every_network
def test_the_host_never_waits_within_an_epoch(
    case: Case, precision: str, augmented: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_module, "Trainer", NonWaitingTrainer)
    data = training(clips(IDS), IDS, case.frames, augmentations=augmentations(case) if augmented else ())
    ctx = gpu_keeper(threads=2)
    detector = case.make_quick(precision=precision)
    detector.fit(data, ctx)
    assert len(ctx.reports) == detector.config.epochs


@on_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode:UserWarning")
def test_a_network_that_waits_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_module, "Trainer", NonWaitingTrainer)
    waiting = NETWORKS[0].make()
    build = waiting.build

    def build_waiting(*sizes: int) -> Any:
        network = build(*sizes)
        loss = network.loss
        network.loss = lambda windows, targets: loss(windows, targets) * float(windows.sum().isfinite().item())
        return network

    waiting.build = build_waiting
    with pytest.raises(RuntimeError, match="synchronizing"):
        waiting.fit(training(clips(IDS), IDS, 5), Context(device=CUDA))


@on_gpu
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("augmented", [False, True])
def test_gpu_batches_equal_host_batches(augmented: bool, threads: int) -> None:
    data = training(clips(IDS), IDS, 5, augmentations=AUGMENTATIONS if augmented else ())
    sampler = Sampler(data, np.arange(len(IDS)))
    standardizer = Standardizer.fit(data.features, np.arange(6), data.classes)
    source = WindowSource(data.features, 5, len(data.class_names), standardizer, sampler.transforms)
    sample = sampler.sample(8, 16, 3, np.random.default_rng(0))
    host = HostBatches(source, 16, threads).epoch(sample, 7, 0)
    device = DeviceBatches(source, torch.device(CUDA), threads).epoch(sample, 7, 0)
    pairs = [(one.windows.clone(), one.targets.clone(), *other) for one, other in zip(host, device, strict=True)]
    assert len(pairs) == sample.batches
    for windows, targets, device_windows, device_targets in pairs:
        torch.testing.assert_close(device_windows.cpu(), windows, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(device_targets.cpu(), targets)


class CountingMode(TorchDispatchMode):
    """Counts the operations that reach a device."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: collections.Counter[str] = collections.Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[operation.name()] += 1
        return operation(*args, **(kwargs or {}))


def test_a_step_of_mobilenet_copies_no_images() -> None:
    network, images = mobilenet_v2().train(), torch.randn(2, 1, 32, 32)
    with torch_environment(Context(), "network"), CountingMode() as counting:
        network(images).sum().backward()
    assert counting.counts["aten::convolution"] == 52
    assert counting.counts["aten::clone"] == 0


@every_network
def test_numbers_read_back_do_not_grow_with_batches(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, but on the CPU: each number that the host reads back makes it wait there."""
    monkeypatch.setattr(
        trainer_module, "batches_on", lambda device, source, _, threads: DeviceBatches(source, device, threads)
    )
    monkeypatch.setattr(trainer_module, "_REPORT_INTERVAL", np.inf)
    data = training(clips(IDS), IDS, case.frames)
    reads, steps = [], []
    for batches in (2, 5):
        with CountingMode() as counting:
            case.make(epochs=1, batch_size=16, windows_per_clip=1, least_batches=batches).fit(data, Context())
        reads.append(counting.counts["aten::_local_scalar_dense"])
        steps.append(counting.counts["aten::_fused_adamw_"])
    assert steps[1] >= steps[0] + 3
    assert reads[1] == reads[0]
