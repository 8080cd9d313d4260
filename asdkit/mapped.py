"""Large arrays as memory maps of temporary files: they take space on the disk, and memory for the part in use."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_IN_MEMORY = 1 << 25
"""Bytes of the largest array that `empty` keeps in memory."""

_BLOCK = 1 << 22  # bytes


class _Map(mmap.mmap):
    """A map that this module made: of others, `release` might lose what was written (private maps)."""


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a new C-contiguous array; one of more than `LARGEST_IN_MEMORY` bytes is a memory map.

    Its file has no name, and is gone when the array or the process is. The folder is that of `tempfile`.

    Raises
    ------
    MemoryError
        If there is not enough memory, or space on the disk.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGEST_IN_MEMORY:
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            return _mapped(file.fileno(), shape, dtype)
    except OSError as error:
        where = tempfile.tempdir or "temporary files"  # `gettempdir` fails again where no folder can be written
        raise MemoryError(f"{where}: {error.strerror} ({size / 1e9:.1f} GB needed)") from None


def empty_file(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a new array, not empty, that is a memory map of a new file.

    Raises
    ------
    OSError
        If the file cannot be written, or the disk is full.
    """
    with path.open("wb+") as file:
        return _mapped(file.fileno(), shape, dtype)


def _mapped(file: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if hasattr(os, "posix_fallocate"):  # a full disk raises here, instead of a signal when a page is written
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
    array: npt.NDArray[Any] = np.frombuffer(_Map(file, size), dtype).reshape(shape)
    return array


def is_mapped(array: npt.NDArray[Any]) -> bool:
    """Return whether an array is a memory map that this module made, or a view of one."""
    return _map_of(array) is not None


def release(array: npt.NDArray[Any]) -> None:
    """Release the memory that holds parts of a mapped array, whose content stays. Other arrays stay in memory."""
    mapped = _map_of(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def blocks(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield an array in consecutive blocks of its first axis; of a mapped array, only one is in memory.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit import mapped
    >>> [block.tolist() for block in mapped.blocks(np.arange(3))]
    [[0, 1, 2]]
    """
    rows = max(1, _BLOCK * len(array) // max(1, array.nbytes))
    for first in range(0, len(array), rows):
        yield array[first : first + rows]
        release(array)


def _map_of(array: npt.NDArray[Any]) -> _Map | None:
    base: Any = array
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base if isinstance(base, _Map) else None
