"""Unpack an untrusted zip archive: nothing outside its folder, no links, no zip bombs, complete or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from asdkit.errors import DataError
from asdkit.text import printable

MAX_FILES = 100_000
MAX_RATIO = 30
"""Largest accepted ratio of unpacked to packed size; recordings compress to about a half."""
_MAX_NAME = 255  # bytes, on all common file systems
_CHUNK = 1 << 20

# What `zipfile` raises for damaged archives: ValueError and its UnicodeDecodeError for names and offsets, too.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)

Entries = Sequence[tuple[zipfile.ZipInfo, PurePosixPath]]


class InvalidArchive(DataError):
    """An archive that is damaged or must not be unpacked."""


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack ``<machine>/<split>/...`` into `folder`, replacing folders of the same names.

    Files are unpacked into a temporary folder and moved when complete.

    Returns
    -------
    moved
        What was moved, such as ``fan/train``.

    Raises
    ------
    InvalidArchive
        Names the refused entry, or what is wrong with the archive; no file is left behind.
    DataError
        If the archive cannot be unpacked here, such as on a full disk or into a link; no file is left behind.
    """
    where = printable(str(archive))
    temporary = folder / f".{archive.name}.unpacking"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        with zipfile.ZipFile(archive) as content:
            entries = _checked(content, archive)
            _refuse_links(entries, folder)
            for entry, path in entries:
                _extract(content, entry, temporary / path)
        return _move(temporary, folder)
    except _DAMAGED as error:
        raise InvalidArchive(f"{where}: not a valid archive: {error}") from None
    except OSError as error:
        if error.errno is None:  # how bz2 reports damaged data
            raise InvalidArchive(f"{where}: not a valid archive: {error}") from None
        raise DataError(
            f"{where}: cannot be unpacked: {error.strerror}",
            hint="The archive is kept. Make room, or choose another folder, and run the command again.",
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checked(content: zipfile.ZipFile, archive: Path) -> Entries:
    """List the files and their relative paths, or refuse the archive before anything is written."""
    infos = content.infolist()
    limit = MAX_RATIO * archive.stat().st_size
    total = sum(info.file_size for info in infos)
    where = printable(str(archive))
    if len(infos) > MAX_FILES or total > limit:
        raise InvalidArchive(
            f"{where}: would unpack to {len(infos)} files of {total} bytes; refused: too large for its archive"
        )
    entries = []
    paths = set()
    for info in infos:
        path = PurePosixPath(info.filename)
        mode = info.external_attr >> 16
        entry = f"{where}: entry {printable(info.filename)}"
        unsafe = path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename
        if unsafe or (stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)):
            raise InvalidArchive(f"{entry} is outside the folder or a link; refused")
        if any(len(os.fsencode(part)) > _MAX_NAME for part in path.parts):
            raise InvalidArchive(f"{entry[:200]}... has a name of more than {_MAX_NAME} bytes; refused")
        if info.filename.endswith("/"):  # `is_dir` fails for an empty name
            continue
        if len(path.parts) < 2 or path in paths:
            raise InvalidArchive(f"{entry} is in no machine's folder, or is listed twice")
        paths.add(path)
        entries.append((info, path))
    return entries


def _refuse_links(entries: Entries, folder: Path) -> None:
    """Refuse to replace a link: what it points to belongs to somebody else."""
    for target in sorted({folder / Path(*path.parts[:depth]) for _, path in entries for depth in (1, 2)}):
        if target.is_symlink():
            raise DataError(
                f"{printable(str(target))} is a link, which is not replaced",
                hint="The archive is kept. Remove the link, or download into another folder.",
            )


def _extract(content: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = info.file_size
    with content.open(info) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise InvalidArchive(f"entry {printable(info.filename)} is larger than the archive says; refused")
            target.write(chunk)


def _move(temporary: Path, folder: Path) -> list[str]:
    """Move whole splits, and files beside them, into `folder`; return their names."""
    moved = []
    for machine in sorted(temporary.iterdir()):
        (folder / machine.name).mkdir(exist_ok=True)
        for entry in sorted(machine.iterdir()):
            final = folder / machine.name / entry.name
            if final.is_dir():
                shutil.rmtree(final)
            os.replace(entry, final)
            moved.append(f"{machine.name}/{entry.name}")
    return moved
