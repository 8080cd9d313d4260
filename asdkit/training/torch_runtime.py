"""Torch settings during a detector's work: threads, generators, heap and precision; restored afterwards."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from asdkit.context import Context

Precision = Literal["auto", "float32", "bfloat16"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # option numbers of glibc, <malloc.h>
_LARGEST_MMAP_THRESHOLD = 32 << 20  # bytes: glibc's own upper limit; it sets the trim threshold to twice that
_NEVER_TRIM = 2**31 - 1  # bytes


@contextmanager
def torch_environment(ctx: Context, stream: str) -> Iterator[torch.device]:
    """Set torch's threads and precision, seed its generators from a named stream, and restore all at the end.

    Yields
    ------
    device
        The context's device.
    """
    device = torch.device(ctx.device)
    threads = torch.get_num_threads()
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), retained_heap(), _full_float32_convolutions():
        torch.set_num_threads(max(1, ctx.threads))
        try:
            torch.manual_seed(ctx.seed_for(stream))
            yield device
        finally:
            torch.set_num_threads(threads)


@contextmanager
def retained_heap() -> Iterator[None]:
    """Keep freed memory in the process, and return it to the system at the end.

    Each training step frees tensors of many megabytes. By default glibc returns that memory, and the kernel hands it
    out again page by page, zeroed: a third of the time of a MobileNetV2's step. Does nothing where the C library is
    not glibc.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    library.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
    try:
        yield
    finally:
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        library.malloc_trim(ctypes.c_size_t(0))


def autocast(device: torch.device, precision: Precision, pays: Collection[str]) -> AbstractContextManager[object]:
    """Return a context that computes products in bfloat16, or one that changes nothing.

    Parameters
    ----------
    precision
        ``"bfloat16"``; ``"float32"``; or ``"auto"``: bfloat16 on devices in `pays` that have native bfloat16.
    pays
        Kinds of device on which bfloat16 makes the network faster: ``"cpu"``, ``"cuda"``.
    """
    if precision == "bfloat16" or (precision == "auto" and device.type in pays and has_native_bfloat16(device)):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16: AVX512-BF16 or AMX; on a GPU, compute capability 8.0."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    queries = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(query() for query in queries if query is not None)


@contextmanager
def _full_float32_convolutions() -> Iterator[None]:
    """Compute float32 convolutions on a GPU in full float32: by default cuDNN rounds factors to TF32's ten bits.

    That rounding moves scores away from those of a CPU by up to a hundredth. Matrix products, which torch rounds only
    on request, are left unchanged.
    """
    cudnn = torch.backends.cudnn
    settings = [getattr(cudnn, name) for name in ("conv", "rnn") if hasattr(cudnn, name)]  # torch 2.9 and later
    before = [setting.fp32_precision for setting in settings]
    try:
        allow_tf32: bool | None = cudnn.allow_tf32
    except RuntimeError:  # the old setting cannot express what the new ones are set to
        allow_tf32 = None
    cudnn.allow_tf32 = False  # old and new: `cudnn.flags` fails where they disagree
    if settings:
        settings[0].fp32_precision = "ieee"
    try:
        yield
    finally:
        if allow_tf32 is not None:
            cudnn.allow_tf32 = allow_tf32
        else:
            for setting, precision in zip(settings, before, strict=True):
                setting.fp32_precision = precision


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
