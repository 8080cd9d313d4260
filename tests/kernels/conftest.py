"""Tests that take `kernels` run once with the SIMD kernels and once with the plain ones."""

from __future__ import annotations

import pytest

from asdkit.kernels import fallback


@pytest.fixture(scope="module", params=["simd", "plain"])
def kernels(request):
    """Kind of the kernels that `asdkit.kernels.fallback` selects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fallback, "_selector", fallback.KernelSelector(plain=request.param == "plain"))
        yield request.param
