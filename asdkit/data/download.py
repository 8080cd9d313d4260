"""Download an edition of the challenge: list its records, resume broken downloads, verify, and unpack safely."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from asdkit.data.editions import DEV_MACHINES, EVAL_MACHINES, RECORDS, Archive, machine_of
from asdkit.errors import DataError, UsageError
from asdkit.text import printable, suggestion_or_choices

MAX_FILES = 100_000
MAX_RATIO = 30
"""Largest accepted ratio of unpacked to packed size; recordings compress to about a half."""
_CHUNK = 1 << 20


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack ``<machine>/<split>/...`` into `folder`, replacing folders of the same names.

    Files are unpacked into a temporary folder and moved when complete. Entries outside the folder, links and archives
    that unpack to far more than their size are refused.

    Returns
    -------
    moved
        What was moved, such as ``fan/train``.

    Raises
    ------
    DataError
        Names the refused entry, or what is wrong with the archive; no file is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{archive.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            entries = _checked(content, archive)
            for entry, path in entries:
                _extract(content, entry, temporary / path)
        return _move(temporary, folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{printable(str(archive))}: not a valid archive: {error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checked(content: zipfile.ZipFile, archive: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """List the files and their relative paths, or refuse the archive before anything is written."""
    infos = content.infolist()
    limit = MAX_RATIO * archive.stat().st_size
    total = sum(info.file_size for info in infos)
    where = printable(str(archive))
    if len(infos) > MAX_FILES or total > limit:
        raise DataError(
            f"{where}: would unpack to {len(infos)} files of {total} bytes; refused: too large for its archive"
        )
    entries = []
    paths = set()
    for info in infos:
        path = PurePosixPath(info.filename)
        mode = info.external_attr >> 16
        unsafe = path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename
        if unsafe or (stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)):
            raise DataError(f"{where}: entry {printable(info.filename)} is outside the folder or a link; refused")
        if info.is_dir():
            continue
        if len(path.parts) < 2 or path in paths:
            raise DataError(f"{where}: entry {printable(info.filename)} is in no machine's folder, or is listed twice")
        paths.add(path)
        entries.append((info, path))
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


SERVER = "https://zenodo.org"
MAX_LISTING = 10 << 20  # bytes


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to retry when a server stalls or the connection breaks.

    Attributes
    ----------
    timeout
        Seconds without data before a connection is given up.
    tries
        Consecutive tries without new data before giving up.
    pause
        Seconds between two tries.
    """

    timeout: float = 30.0
    tries: int = 5
    pause: float = 2.0


def list_archives(
    edition: str, machines: Sequence[str] | None = None, *, server: str = SERVER, retry: RetryPolicy | None = None
) -> list[Archive]:
    """List the archives of an edition's records, with the sizes and checksums listed there.

    Raises
    ------
    UsageError
        Unknown edition, or no archive of such a machine.
    DataError
        A record cannot be listed, or its listing is not valid.
    """
    if edition not in RECORDS:
        raise UsageError(f'no edition "{edition}"{suggestion_or_choices(edition, RECORDS)}')
    names = (*DEV_MACHINES.get(edition, ()), *EVAL_MACHINES.get(edition, ()), *(machines or ()))
    archives = [
        archive
        for part, records in RECORDS[edition].items()
        for record in records
        for archive in _list_record(part, record, names, server, retry or RetryPolicy())
    ]
    present = sorted({archive.machine for archive in archives})
    missing = [
        f'no archive of machine "{m}"{suggestion_or_choices(m, present)}' for m in machines or () if m not in present
    ]
    if missing:
        raise UsageError("\n".join(missing))
    return [archive for archive in archives if machines is None or archive.machine in machines]


def fetch(
    archive: Archive,
    root: Path,
    *,
    retry: RetryPolicy | None = None,
    watch: Callable[[int], None] = lambda size: None,
) -> bool:
    """Download and unpack one archive below `root`; return False if that was done before.

    Data received before a broken connection is kept in ``<root>/.downloads`` and continued in this call or a later one.
    The archive is removed once it is unpacked. `watch` is called with the number of bytes received so far.

    Raises
    ------
    DataError
        Too many broken connections, another size or checksum than listed (the file is then removed), or a refused
        archive.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder = root / ".downloads"
    done = folder / f"{archive.part}-{archive.name}.done"
    if done.exists():
        checksum, *moved = done.read_text(encoding="utf-8").splitlines()
        if checksum == archive.checksum and moved and all((root / archive.part / name).exists() for name in moved):
            return False
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{archive.part}-{archive.name}.part"

    def download(url: str, output: str, _pooch: object) -> None:
        _resume(url, part, archive, retry or RetryPolicy(), watch)
        os.replace(part, output)

    try:
        whole = pooch.retrieve(
            archive.url, archive.checksum, fname=part.stem, path=folder, downloader=download, progressbar=False
        )
    except ValueError:  # pooch removes the file
        raise DataError(
            f"{archive.name}: its checksum is not the {archive.checksum} of the record's listing; removed",
            hint="Run the command again; if it happens again, the file or the record is damaged.",
        ) from None
    try:
        moved = unpack(Path(whole), root / archive.part)
    finally:
        Path(whole).unlink(missing_ok=True)
    done.write_text("\n".join([archive.checksum, *moved]), encoding="utf-8")
    return True


def _list_record(part: str, record: int, names: Sequence[str], server: str, retry: RetryPolicy) -> list[Archive]:
    url = f"{server}/api/records/{record}"
    try:
        with _open(url, retry) as answer:
            text = answer.read(MAX_LISTING + 1)
        if len(text) > MAX_LISTING:
            raise ValueError("the listing is longer than 10 MiB")
        listing = json.loads(text)
        return [a for entry in listing["files"] if (a := _archive(entry, part, names, server)) is not None]
    except (OSError, HTTPException) as error:
        raise DataError(f"{url}: cannot be listed: {printable(str(error))}", hint="Try again later.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{url}: not the listing of a record: {printable(str(error))}") from None


def _open(url: str, retry: RetryPolicy, begun: int = 0) -> Any:
    """Request a file from byte `begun` on; the status of the answer says whether the server did that."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is not a web address")
    request = Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310  # checked above
    return urlopen(request, timeout=retry.timeout)  # noqa: S310


def _archive(entry: dict[str, Any], part: str, names: Sequence[str], server: str) -> Archive | None:
    name, size, checksum, url = str(entry["key"]), entry["size"], str(entry["checksum"]), str(entry["links"]["self"])
    machine = machine_of(name, tuple(names))
    if machine is None:
        return None
    if not isinstance(size, int) or size <= 0 or not checksum.startswith("md5:") or name != os.path.basename(name):
        raise ValueError(f"{name}: no size or no checksum")
    if urlsplit(url)[:2] != urlsplit(server)[:2]:
        raise ValueError(f"{name} is on another server, {url}")
    return Archive(name, part, machine, size, checksum, url)


def _resume(url: str, part: Path, archive: Archive, retry: RetryPolicy, watch: Callable[[int], None]) -> None:
    """Append what is missing to `part`, over several connections if need be."""
    idle, cause = 0, ""
    while (begun := _size(part)) != archive.size:
        if idle >= retry.tries:
            raise DataError(
                f"{archive.name}: {begun} of {archive.size} bytes received, then nothing in {idle} tries ({cause})",
                hint="Run the command again to continue.",
            )
        if idle:
            time.sleep(retry.pause)
        try:
            _append(url, part, begun, archive, retry, watch)
            cause = "the connection broke"
        except (OSError, HTTPException) as error:
            cause = printable(str(error))
        idle = 0 if _size(part) > begun else idle + 1


def _append(
    url: str, part: Path, begun: int, archive: Archive, retry: RetryPolicy, watch: Callable[[int], None]
) -> None:
    """Write the data of one connection as it arrives."""
    with _open(url, retry, begun) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
        received = begun if resumed else 0
        with part.open("ab" if resumed else "wb", buffering=0) as file:
            while chunk := answer.read1(_CHUNK):
                received += len(chunk)
                if received > archive.size:
                    part.unlink()
                    raise DataError(f"{archive.name}: longer than the {archive.size} bytes of the record's listing")
                file.write(chunk)
                watch(received)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
