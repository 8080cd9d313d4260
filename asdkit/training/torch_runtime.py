"""The C library's heap while a network works on the CPU: memory once used stays at hand.

Torch's surroundings while a detector works: threads, generators, heap, precision; as before afterwards.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from asdkit.context import Context

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's numbers of these options, <malloc.h>
_LARGEST = 32 << 20  # bytes: the most that glibc by itself lets the second grow to; it keeps the first at twice that
_NEVER = 2**31 - 1  # bytes


@contextmanager
def kept_heap() -> Iterator[None]:
    """Keep freed memory for the next step instead of giving it back to the system and asking for it again.

    Each step of a network frees tensors of many megabytes. By default glibc gives such memory back, and the kernel
    hands it out again page by page, zeroed: a third of the time of a MobileNetV2's step. At the end all is given
    back. Does nothing where the C library is not glibc.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        library.malloc_trim(ctypes.c_size_t(0))


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


Precision = Literal["auto", "float32", "bfloat16"]


@contextmanager
def surroundings(ctx: Context, stream: str) -> Iterator[torch.device]:
    """Set torch's threads, precision and, from a named stream of the context, generators; put all back at the end."""
    device = torch.device(ctx.device)
    threads = torch.get_num_threads()
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), kept_heap(), _whole_float32():
        torch.set_num_threads(max(1, ctx.threads))
        try:
            torch.manual_seed(ctx.seed_for(stream))
            yield device
        finally:
            torch.set_num_threads(threads)


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Let convolutions of float32 on a GPU be that: by default torch has cuDNN round factors to TF32's ten bits.

    Scores of such rounded products are apart from those of a CPU by up to a hundredth. Matrix products, which torch
    rounds only where asked to, are left as they are.
    """
    cudnn = torch.backends.cudnn
    named = [getattr(cudnn, name) for name in ("conv", "rnn") if hasattr(cudnn, name)]  # torch 2.9 and later
    before = [place.fp32_precision for place in named]
    try:
        rounds: bool | None = cudnn.allow_tf32
    except RuntimeError:  # the old name cannot tell what the new ones were set to
        rounds = None
    cudnn.allow_tf32 = False  # both: torch has `cudnn.flags` fail where they disagree
    if named:
        named[0].fp32_precision = "ieee"
    try:
        yield
    finally:
        if rounds is not None:
            cudnn.allow_tf32 = rounds
        else:
            for place, precision in zip(named, before, strict=True):
                place.fp32_precision = precision


def autocast(device: torch.device, precision: Precision, pays: Collection[str]) -> AbstractContextManager[object]:
    """Bfloat16 autocast where asked for or, under ``"auto"``, where it pays and the hardware multiplies it natively.

    Parameters
    ----------
    pays
        Kinds of device on which the network gains by it: ``"cpu"``, ``"cuda"``.
    """
    if precision == "bfloat16" or (precision == "auto" and device.type in pays and multiplies_bfloat16(device)):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 natively: AVX512-BF16 or AMX; on a GPU, compute capability 8.0."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    asks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(ask() for ask in asks if ask is not None)
