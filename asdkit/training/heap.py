"""The C library's heap while a network works on the CPU: memory once used stays at hand."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
