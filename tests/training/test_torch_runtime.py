"""Torch settings during a detector's work: heap and precision."""

from __future__ import annotations

import resource

import pytest
import torch

from asdkit.api import Context
from asdkit.training import torch_runtime
from asdkit.training.torch_runtime import retained_heap, torch_environment

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]


def page_faults(repetitions: int) -> int:
    """Count pages that the system hands out while tensors of 80 MB are allocated and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repetitions):
        tensors = [torch.ones(5_000_000) for _ in range(4)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(torch_runtime._glibc() is None, reason="the C library is not glibc")
def test_freed_memory_is_reused() -> None:
    with retained_heap():
        page_faults(1)
        # Ten rounds touch 200,000 pages of 4 kB. A fragmented heap may grow a few times after the first round.
        assert page_faults(10) < 60_000
    assert page_faults(1) > 5_000  # and was returned at the end


def test_without_glibc_the_heap_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_runtime, "_glibc", lambda: None)
    with retained_heap():
        assert torch.ones(3).sum() == 3


def allows_tf32() -> bool:
    """Whether torch may round the factors of convolutions on a GPU to TF32."""
    conv = getattr(torch.backends.cudnn, "conv", None)
    return torch.backends.cudnn.allow_tf32 if conv is None else conv.fp32_precision == "tf32"


@pytest.mark.parametrize("device", DEVICES)
def test_convolutions_use_full_float32_and_settings_are_restored(device: str) -> None:
    before = allows_tf32()
    with torch_environment(Context(device=device), "network"):
        assert not allows_tf32()
        if device == "cuda":
            images, weights = torch.rand(2, 8, 64, 32, 32, device=device)[:, :, :, :3, :3].contiguous()
            exact = torch.nn.functional.conv2d(images.double(), weights.double())
            assert (torch.nn.functional.conv2d(images, weights) / exact - 1).abs().max() < 1e-5
    assert allows_tf32() == before


def test_a_network_may_set_flags_of_cudnn() -> None:
    before = torch.backends.cudnn.allow_tf32
    with torch_environment(Context(), "network"):
        assert not torch.backends.cudnn.allow_tf32
        with torch.backends.cudnn.flags(enabled=False):
            assert not torch.backends.cudnn.enabled
    assert torch.backends.cudnn.allow_tf32 == before
