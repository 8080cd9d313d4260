"""Atomic files: temporary file, fsync, rename; and digests of files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`: temporary file, fsync, rename, fsync of the folder.

    Raises
    ------
    OSError
        If it cannot be written. The file that was at `path` is untouched, and no temporary file is left.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that renames in it survive a power cut where the system can do so."""
    if os.name != "nt":  # Windows cannot open folders
        _sync_one(folder)


def sync(paths: Iterable[Path]) -> None:
    """Sync files and folders in parallel: the file system then commits once (2 ms instead of 24 for one by one)."""
    list(_syncers().map(_sync_one, [path for path in paths if os.name != "nt" or path.is_file()]))


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _syncers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "sync")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()
