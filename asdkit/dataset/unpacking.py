"""Unpack an archive that somebody else made: nothing outside its folder, no links, no bombs, whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from asdkit.errors import DataError
from asdkit.naming import printable

MAX_FILES = 100_000
MAX_RATIO = 30
"""How many times larger than the archive its content may be; recordings shrink to a half or so."""
_CHUNK = 1 << 20


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack ``<machine>/<split>/...`` into `folder`, where folders of the same names are replaced.

    Everything is unpacked beside its place and moved there when it is complete. Returns what was moved, such as
    ``fan/train``.

    Raises
    ------
    DataError
        Naming the entry that must not be unpacked, or what is wrong with the archive; nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{archive.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            entries = _checked(content, archive)
            for entry, place in entries:
                _extract(content, entry, beside / place)
        return _move(beside, folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{printable(str(archive))}: not a sound archive: {error}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _checked(content: zipfile.ZipFile, archive: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Files of the archive and where they go, relative; refused before anything is written."""
    infos = content.infolist()
    limit = MAX_RATIO * archive.stat().st_size
    total = sum(info.file_size for info in infos)
    where = printable(str(archive))
    if len(infos) > MAX_FILES or total > limit:
        raise DataError(f"{where}: would unpack to {len(infos)} files of {total} bytes; refused as a bomb")
    entries = []
    places = set()
    for info in infos:
        place = PurePosixPath(info.filename)
        mode = info.external_attr >> 16
        odd = place.is_absolute() or ".." in place.parts or "\\" in info.filename or ":" in info.filename
        if odd or (stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)):
            raise DataError(f"{where}: entry {printable(info.filename)} leads out of the folder or is a link; refused")
        if info.is_dir():
            continue
        if len(place.parts) < 2 or place in places:
            raise DataError(f"{where}: entry {printable(info.filename)} is in no machine's folder, or there twice")
        places.add(place)
        entries.append((info, place))
    return entries


def _extract(content: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = info.file_size
    with content.open(info) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise DataError(f"entry {printable(info.filename)} is larger than the archive says; refused")
            target.write(chunk)


def _move(beside: Path, folder: Path) -> list[str]:
    """Move whole splits (and files beside them) to their places, and name them."""
    moved = []
    for machine in sorted(beside.iterdir()):
        (folder / machine.name).mkdir(exist_ok=True)
        for entry in sorted(machine.iterdir()):
            final = folder / machine.name / entry.name
            if final.is_dir():
                shutil.rmtree(final)
            os.replace(entry, final)
            moved.append(f"{machine.name}/{entry.name}")
    return moved
