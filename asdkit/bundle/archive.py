"""The file of a bundle: a zip whose every byte is vouched for, and that nothing but itself can be read from.

Entries are stored as they are, so a bundle is never larger opened than closed. ``manifest.json`` holds the SHA-256
of each entry; the zip's comment that of all bytes before it, so that no flipped bit goes unnoticed, be it in an entry,
in a header, or between them. The same content gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asdkit.errors import DataError
from asdkit.text import printable

MANIFEST: Final = "manifest.json"
MAX_BYTES: Final = 4 << 30
"""Size beyond which a file is not opened as a bundle."""
_MAX_FILES = 100_000
_SEAL = b"asdkit sha256:"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_DATE = (1980, 1, 1, 0, 0, 0)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Write entries, their manifest and the seal."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    manifest = (json.dumps({"sha256": digests}, indent=1) + "\n").encode()
    return seal({**dict(sorted(files.items())), MANIFEST: manifest})


def seal(entries: Mapping[str, bytes]) -> bytes:
    """Write entries as they are given, and the digest of all of it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3  # the same bytes whatever system writes them
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
        archive.comment = bytes(len(_SEAL) + 64)  # its length is among the bytes that the seal is of
    whole = buffer.getvalue()[: -len(archive.comment)]
    return whole + _SEAL + hashlib.sha256(whole).hexdigest().encode()


def unpack(path: Path) -> dict[str, bytes]:
    """Read all entries.

    Raises
    ------
    DataError
        One line: no bundle, cut short, changed, or with something in it that no bundle has.
    """
    where = printable(str(path))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a device may have no end
            raise _refused(where, "a folder or a device, not a file")
        if status.st_size > MAX_BYTES:
            raise _refused(where, f"larger than {MAX_BYTES >> 30} GiB, so hardly a bundle")
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{where}: there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise _refused(where, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    _check_seal(where, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [_checked(where, info) for info in _infos(where, archive)]
            if sum(info.file_size for info in infos) > len(data):
                raise _refused(where, "its entries claim more bytes than it has")
            entries = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        raise _refused(where, f"not a sound archive: {printable(str(error))}") from None
    _check_manifest(where, entries)
    return entries


def _check_seal(where: str, data: bytes) -> None:
    length = len(_SEAL) + 64
    if not data.startswith(b"PK\x03\x04"):
        raise _refused(where, "not a bundle")
    if not data[-length:].startswith(_SEAL):
        raise _refused(where, "not a bundle, or cut short or changed at its end")
    whole = memoryview(data)[:-length]
    if hashlib.sha256(whole).hexdigest().encode() != data[-64:]:
        raise _refused(where, "changed since it was written: its SHA-256 is another")


def _infos(where: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(names) > _MAX_FILES or len(set(names)) < len(names):
        raise _refused(where, "has too many entries, or two of one name")
    return infos


def _checked(where: str, info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The entry, if it is stored as it is under a plain name."""
    name = printable(info.orig_filename)
    if not _NAME.fullmatch(info.orig_filename) or ".." in info.orig_filename:
        raise _refused(where, f"the entry {name!r} leads out of it, or is no plain name")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
        raise _refused(where, f"the entry {name!r} is compressed or encrypted; a bundle's are stored as they are")
    return info


def _check_manifest(where: str, entries: dict[str, bytes]) -> None:
    try:
        digests = json.loads(entries[MANIFEST])["sha256"]
        listed = {str(name): str(digest) for name, digest in digests.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise _refused(where, f"has no {MANIFEST} that can be read") from None
    found = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items() if name != MANIFEST}
    odd = sorted(name for name in {*listed, *found} if listed.get(name) != found.get(name))
    if odd:
        raise _refused(where, f"the entry {printable(odd[0])!r} is missing, unlisted, or differs from its digest")


def _refused(where: str, reason: str) -> DataError:
    return DataError(f"{where}: {reason}")
