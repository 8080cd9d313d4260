"""The heap while a network works."""

import resource

import pytest
import torch

from asdkit.training import torch_runtime


def faults(repetitions):
    """Pages that the system had to hand out while tensors of 80 MB together came and went."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repetitions):
        tensors = [torch.ones(5_000_000) for _ in range(4)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(torch_runtime._glibc() is None, reason="the C library is not glibc")
def test_memory_once_used_stays_at_hand():
    with torch_runtime.kept_heap():
        faults(1)
        # Ten rounds touch 200,000 pages of 4 kB. A heap with holes may have to grow a few times after the first.
        assert faults(10) < 60_000
    assert faults(1) > 5_000  # and was given back at the end


def test_without_glibc_it_does_nothing(monkeypatch):
    monkeypatch.setattr(torch_runtime, "_glibc", lambda: None)
    with torch_runtime.kept_heap():
        assert torch.ones(3).sum() == 3
