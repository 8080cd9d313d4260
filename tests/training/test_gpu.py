"""Networks on a GPU: scores as on the CPU, fits that learn and resume, a host that never waits within an epoch.

``nox -s tests -- -m gpu`` where there is one; elsewhere those tests skip, and what is known without a GPU is tested.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from asdkit_id_classifier.mobilenet import mobilenet_v2
from torch.utils._python_dispatch import TorchDispatchMode

from asdkit.api import Context, NetworkDetector, Stopped, Training
from asdkit.training import batches as device_module
from asdkit.training import detector as detector_module
from asdkit.training import trainer as loop_module
from asdkit.training.batches import DeviceBatches, HostBatches, WindowSource
from asdkit.training.sampling import EpochSample, Sampler
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import surroundings
from asdkit.training.trainer import Trainer
from tests.helpers.detector_cases import NETWORKS, Case
from tests.helpers.detector_rooms import Keeper, clips, training
from tests.training.test_loop import AUGMENTATIONS

IDS = ["id_00", "id_01"] * 6
CUDA = "cuda"
_FEW = {"epochs": 2, "windows_per_clip": 8, "batch_size": 16, "least_batches": 6}
_CLASSIFIER = {**_FEW, "windows_per_clip": 2}
# Of their real sizes, for sums as long as they are in use.
REAL = [
    Case("G", "group-made", _FEW),
    Case("G, causal", "group-made", {**_FEW, "order": "causal"}),
    Case("M", "id-classifier", _CLASSIFIER, 64),
    Case("R", "id-classifier", {**_CLASSIFIER, "backbone": "resnet-50"}, 64),
    Case("A", "id-classifier", {**_CLASSIFIER, "loss": "arcface"}, 64),
    Case("M, logarithms", "id-classifier", {**_CLASSIFIER, "score": "negative-log"}, 64),
    Case("M, distances", "id-classifier", {**_CLASSIFIER, "score": "mahalanobis"}, 64),
]
every_network = pytest.mark.parametrize("case", NETWORKS, ids=str)


def on_gpu(test: Any) -> Any:
    """Mark a test that needs a CUDA device; it skips where there is none."""
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")(test))


def keeper(stop_after: int | None = None, **options: Any) -> Keeper:
    """A context that keeps checkpoints, on the GPU."""
    made = Keeper(stop_after, **options)
    made.device = CUDA
    return made


def real(case: Case) -> Training:
    """A dozen clips of as many bands as log-mel has, and a few windows of each."""
    features = clips(IDS, 80 if case.frames == 64 else 24, bands=128)
    return training(features, IDS, case.frames, 8 if case.frames == 64 else 1)


def augmentations(case: Case) -> tuple[Any, ...]:
    """Window augmenters that a network can learn with: ArcFace takes no blends."""
    return AUGMENTATIONS[:1] if case.name == "arcface" else AUGMENTATIONS


@on_gpu
@pytest.mark.parametrize("case", REAL, ids=str)
def test_scores_on_a_gpu_are_those_on_the_cpu(case: Case) -> None:
    data, fitted = real(case), case.make()
    fitted.fit(data, Context())
    assert_same_scores(fitted, case, data)


@on_gpu
@pytest.mark.parametrize("case", REAL, ids=str)
def test_what_was_fitted_on_a_gpu_scores_alike_on_the_cpu(case: Case) -> None:
    data, fitted = real(case), case.make()
    fitted.fit(data, Context(device=CUDA))
    assert_same_scores(fitted, case, data)


def assert_same_scores(fitted: NetworkDetector, case: Case, data: Training) -> None:
    """Load the state of a detector twice and score by CPU and by GPU, clips of an id that it has not heard included."""
    ids = [*IDS[:-1], "id_99"]
    scores = []
    for name in ("cpu", CUDA):
        loaded = case.make()
        loaded.load(fitted.state())
        scores.append(loaded.score(data.features, data.windows, ids, Context(device=name, threads=2)))
    # Log-likelihoods pass through zero and distances begin there, where nothing is relative.
    near_zero = case.use == "group-made" or case.options.get("score") == "mahalanobis"
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3, atol=1e-4 if near_zero else 0)


@on_gpu
@every_network
def test_a_fit_on_a_gpu_lowers_the_loss_and_moves_all_weights(case: Case) -> None:
    data = training(clips(IDS), IDS, case.frames)
    started = case.make(epochs=1, least_batches=1, learning_rate=1e-12, weight_decay=0.0)
    started.fit(data, Context(device=CUDA, seed=2))
    trained, ctx = case.make(epochs=6), keeper(seed=2)
    trained.fit(data, ctx)
    losses = [told["loss"] for told in ctx.told]
    assert len(losses) == 6  # a report at the end of each epoch, none within
    assert losses[-1] < losses[0]
    before, after = started.state(), trained.state()
    for name in before:
        if name.startswith("network.") and "num_batches" not in name:
            assert (before[name] != after[name]).any(), name


@on_gpu
@every_network
def test_a_fit_on_a_gpu_goes_on_from_a_checkpoint(case: Case) -> None:
    data = training(clips(IDS), IDS, case.frames, augmentations=augmentations(case))
    undisturbed, whole = case.make(epochs=3, validation=0.3), keeper(10**6)
    undisturbed.fit(data, whole)
    assert whole.left is not None
    stopped = keeper((10**6 - whole.left) // 3 + 2)  # in the second epoch
    with pytest.raises(Stopped):
        case.make(epochs=3, validation=0.3).fit(data, stopped)
    resumed, rest = case.make(epochs=3, validation=0.3), keeper(kept=stopped.kept)
    resumed.fit(data, rest)
    assert [told["epoch"] for told in rest.told] == [2, 3]
    # A GPU's sums vary in order, so that no bit is promised.
    np.testing.assert_allclose(rest.told[-1]["loss"], whole.told[-1]["loss"], rtol=0.1, atol=0.05)


class Unwaiting(Trainer):
    """Lets torch refuse whatever makes the host wait for the device, from an epoch's begin to its report."""

    def _epoch(self, draw: EpochSample) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            super()._epoch(draw)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def _report(self, *args: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")
        super()._report(*args)


# Torch warns at first use that it does not know of all that waits: of `item`, copies that block, `nonzero` it does.
@on_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode:UserWarning")
@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("precision", ["float32", "auto"])
@every_network
def test_the_host_never_waits_for_the_gpu_within_an_epoch(
    case: Case, precision: str, augmented: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_module, "Fit", Unwaiting)
    data = training(clips(IDS), IDS, case.frames, augmentations=augmentations(case) if augmented else ())
    ctx = keeper(threads=2)
    case.make(precision=precision).fit(data, ctx)
    assert len(ctx.told) == 4


@on_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode:UserWarning")
def test_a_network_that_waits_for_the_gpu_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_module, "Fit", Unwaiting)
    waiting = NETWORKS[0].make()
    build = waiting.build

    def built(*sizes: int) -> Any:
        network = build(*sizes)
        loss = network.loss
        network.loss = lambda windows, targets: loss(windows, targets) * float(windows.sum().isfinite().item())
        return network

    waiting.build = built
    with pytest.raises(RuntimeError, match="synchronizing"):
        waiting.fit(training(clips(IDS), IDS, 5), Context(device=CUDA))


def sources(augmented: bool) -> tuple[WindowSource, EpochSample]:
    """A dozen clips to gather from, and an epoch's draw, with window augmenters or without."""
    data = training(clips(IDS), IDS, 5, augmentations=AUGMENTATIONS if augmented else ())
    sampler = Sampler(data, np.arange(len(IDS)))
    standard = Standardizer.fit(data.features, np.arange(6), data.classes)
    source = WindowSource(data.features, 5, len(data.class_names), standard, sampler.transforms)
    return source, sampler.draw(8, 16, 3, np.random.default_rng(0))


def assert_same_batches(source: WindowSource, draw: EpochSample, device: str, threads: int) -> None:
    """Batches made in main memory are those made on the device, the copies that run beside it included."""
    host = HostBatches(source, 16, threads).epoch(draw, 7, 0)
    there = DeviceBatches(source, torch.device(device), threads).epoch(draw, 7, 0)
    pairs = [(one.windows.clone(), one.targets.clone(), *other) for one, other in zip(host, there, strict=True)]
    assert len(pairs) == draw.batches
    for windows, targets, windows_there, targets_there in pairs:
        torch.testing.assert_close(windows_there.cpu(), windows, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(targets_there.cpu(), targets)


@on_gpu
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("augmented", [False, True])
def test_batches_gathered_on_a_gpu_are_those_gathered_in_main_memory(augmented: bool, threads: int) -> None:
    assert_same_batches(*sources(augmented), CUDA, threads)


def test_an_epoch_without_window_augmenters_asks_nothing_of_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Iterator[Any]:
        raise AssertionError("threads were asked")

    monkeypatch.setattr(device_module, "ahead", refuse)
    assert_same_batches(*sources(augmented=False), "cpu", threads=3)


@pytest.mark.parametrize("device", ["cpu", pytest.param(CUDA, marks=[pytest.mark.gpu, pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device")])])  # fmt: skip
def test_convolutions_multiply_whole_float32_while_a_detector_works_and_as_before_afterwards(device: str) -> None:
    before = rounded_convolutions()
    with surroundings(Context(device=device), "network"):
        assert not rounded_convolutions()
        if device == CUDA:
            images, weights = torch.rand(2, 8, 64, 32, 32, device=device)[:, :, :, :3, :3].contiguous()
            exact = torch.nn.functional.conv2d(images.double(), weights.double())
            assert (torch.nn.functional.conv2d(images, weights) / exact - 1).abs().max() < 1e-5
    assert rounded_convolutions() == before


def rounded_convolutions() -> bool:
    """Whether torch may round the factors of convolutions on a GPU to TF32."""
    conv = getattr(torch.backends.cudnn, "conv", None)
    return torch.backends.cudnn.allow_tf32 if conv is None else conv.fp32_precision == "tf32"


def test_a_network_may_set_flags_of_cudnn_while_it_works() -> None:
    before = torch.backends.cudnn.allow_tf32
    with surroundings(Context(), "network"):
        assert not torch.backends.cudnn.allow_tf32
        with torch.backends.cudnn.flags(enabled=False):
            assert not torch.backends.cudnn.enabled
    assert torch.backends.cudnn.allow_tf32 == before


class Counting(TorchDispatchMode):
    """Counts the operations that reach a device."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: collections.Counter[str] = collections.Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[operation.name()] += 1
        return operation(*args, **(kwargs or {}))


def test_a_step_of_mobilenet_copies_none_of_its_images() -> None:
    network, images = mobilenet_v2().train(), torch.randn(2, 1, 32, 32)
    with surroundings(Context(), "network"), Counting() as counting:
        network(images).sum().backward()
    assert counting.counts["aten::convolution"] == 52
    assert counting.counts["aten::clone"] == 0


@every_network
def test_what_the_host_asks_back_in_a_fit_does_not_grow_with_the_batches(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, but for the device: each number asked back is a wait there."""
    monkeypatch.setattr(
        loop_module, "batches_on", lambda device, source, _, threads: DeviceBatches(source, device, threads)
    )
    monkeypatch.setattr(loop_module, "_REPORT", np.inf)
    data = training(clips(IDS), IDS, case.frames)
    asked, steps = [], []
    for batches in (4, 8):
        with Counting() as counting:
            case.make(epochs=1, batch_size=16, windows_per_clip=4, least_batches=batches).fit(data, Context())
        asked.append(counting.counts["aten::_local_scalar_dense"])
        steps.append(counting.counts["aten::_fused_adamw_"])
    assert steps[1] >= steps[0] + 3
    assert asked[1] == asked[0]
