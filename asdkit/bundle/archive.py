"""Bundle file: an uncompressed zip with SHA-256 digests.

``manifest.json`` holds the SHA-256 digest of each entry. The zip comment holds the digest of all bytes before it, so
that any changed bit is detected: in an entry, in a header, or between them. The same content gives the same bytes.
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

from asdkit.bundle.signature import require_signature
from asdkit.errors import DataError
from asdkit.text import printable

MANIFEST: Final = "manifest.json"
MAX_BYTES: Final = 4 << 30
"""Largest size of a file that is opened as a bundle."""
_MAX_ENTRIES = 100_000
_SEAL = b"asdkit sha256:"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_DATE = (1980, 1, 1, 0, 0, 0)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a bundle file with these entries, their manifest and the digest of the whole."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    manifest = (json.dumps({"sha256": digests}, indent=1) + "\n").encode()
    return seal({**dict(sorted(files.items())), MANIFEST: manifest})


def seal(entries: Mapping[str, bytes]) -> bytes:
    """Return a zip of these entries with the digest of the whole; a manifest must be among them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3  # the same bytes on every operating system
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
        archive.comment = bytes(len(_SEAL) + 64)  # the digest covers the length of the comment
    content = buffer.getvalue()[: -len(archive.comment)]
    return content + _SEAL + hashlib.sha256(content).hexdigest().encode()


def unpack(path: Path, verify: Path | None = None) -> dict[str, bytes]:
    """Read all entries of a bundle file.

    Parameters
    ----------
    path
        The file.
    verify
        A public key; the file must have a valid signature of it, see `require_signature`.

    Raises
    ------
    DataError
        If the file is no bundle, truncated or changed, has an entry that no bundle has, or is not signed. The message
        is one line.
    UsageError
        If `verify` is no key.
    """
    where = printable(str(path))
    data = _read(where, path)
    if verify is not None:
        require_signature(path, data, verify)
    _check_seal(where, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_entries(where, infos, len(data))
            entries = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        raise _error(where, f"the zip archive is damaged: {printable(str(error))}") from None
    _check_manifest(where, entries)
    return entries


def _read(where: str, path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a device may never end
            raise _error(where, "a folder or a device, not a file")
        if status.st_size > MAX_BYTES:
            raise _error(where, f"larger than {MAX_BYTES >> 30} GiB, the largest size of a bundle")
        return path.read_bytes()
    except FileNotFoundError:
        raise _error(where, "there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise _error(where, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _check_seal(where: str, data: bytes) -> None:
    """Raise an error if the digest of the whole file is missing or wrong."""
    length = len(_SEAL) + 64
    if not data.startswith(b"PK\x03\x04"):
        raise _error(where, "not a bundle")
    if not data[-length:].startswith(_SEAL):
        raise _error(where, "not a bundle, or truncated or changed at its end")
    if hashlib.sha256(memoryview(data)[:-length]).hexdigest().encode() != data[-64:]:
        raise _error(where, "changed since it was written: its SHA-256 digest does not match")


def _check_entries(where: str, infos: list[zipfile.ZipInfo], size: int) -> None:
    """Raise an error if an entry is compressed, encrypted, or not inside the archive: before any entry is read."""
    names = {info.filename for info in infos}
    if len(infos) > _MAX_ENTRIES or len(names) < len(infos):
        raise _error(where, "too many entries, or two entries with the same name")
    for info in infos:
        name = printable(info.orig_filename)
        if not _NAME.fullmatch(info.orig_filename) or ".." in info.orig_filename:
            raise _error(where, f"the entry name {name!r} is not allowed: expected a plain relative path")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise _error(where, f"the entry {name!r} is compressed or encrypted; entries of a bundle are neither")
    if sum(info.file_size for info in infos) > size:
        raise _error(where, "the entries claim more bytes than the file has")


def _check_manifest(where: str, entries: dict[str, bytes]) -> None:
    try:
        digests = json.loads(entries[MANIFEST])["sha256"]
        listed = {str(name): str(digest) for name, digest in digests.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise _error(where, f"{MANIFEST} is missing or cannot be read") from None
    actual = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items() if name != MANIFEST}
    wrong = sorted(name for name in {*listed, *actual} if listed.get(name) != actual.get(name))
    if wrong:
        raise _error(where, f"the entry {printable(wrong[0])!r} is missing, unlisted, or differs from its digest")


def _error(where: str, reason: str) -> DataError:
    return DataError(f"{where}: {reason}")
