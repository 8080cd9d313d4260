"""Download an edition of the challenge: list its records, resume broken downloads, verify, and unpack safely."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asdkit.data.editions import DEV_MACHINES, EVAL_MACHINES, RECORDS, Archive, machine_of
from asdkit.data.http import RetryPolicy, is_final, open_url, with_retries
from asdkit.data.unpack import InvalidArchive, unpack
from asdkit.errors import DataError, UsageError
from asdkit.text import printable, suggestion_or_choices

SERVER = "https://zenodo.org"
MAX_LISTING = 10 << 20  # bytes
_CHUNK = 1 << 20


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
    The archive is removed once it is unpacked, or if it is invalid. `watch` is called with the number of bytes received
    so far.

    Raises
    ------
    DataError
        Too many broken connections, another size or checksum than listed (the file is then removed), or a refused
        archive.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    server = "{0.scheme}://{0.netloc}".format(urlsplit(archive.url))
    folder = root / ".downloads"
    done = folder / f"{archive.part}-{archive.name}.done"
    if done.exists():
        checksum, *moved = done.read_text(encoding="utf-8").splitlines()
        if checksum == archive.checksum and moved and all((root / archive.part / name).exists() for name in moved):
            return False
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{archive.part}-{archive.name}.part"

    def download(url: str, output: str, _pooch: object) -> None:
        _resume(url, part, archive, server, retry or RetryPolicy(), watch)
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
    except InvalidArchive:
        Path(whole).unlink(missing_ok=True)
        raise
    Path(whole).unlink(missing_ok=True)
    done.write_text("\n".join([archive.checksum, *moved]), encoding="utf-8")
    return True


def _list_record(part: str, record: int, names: Sequence[str], server: str, retry: RetryPolicy) -> list[Archive]:
    url = f"{server}/api/records/{record}"

    def read() -> bytes:
        with open_url(url, server, retry) as answer:
            text: bytes = answer.read(MAX_LISTING + 1)
        return text

    try:
        text = with_retries(read, retry)
        if len(text) > MAX_LISTING:
            raise ValueError("the listing is longer than 10 MiB")
        listing = json.loads(text)
        return [a for entry in listing["files"] if (a := _archive(entry, part, names, server)) is not None]
    except (OSError, HTTPException) as error:
        raise DataError(f"{url}: cannot be listed: {printable(str(error))}", hint="Try again later.") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{url}: not the listing of a record: {printable(str(error))}") from None


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


def _resume(
    url: str, part: Path, archive: Archive, server: str, retry: RetryPolicy, watch: Callable[[int], None]
) -> None:
    """Append what is missing to `part`, over several connections if need be."""
    idle, cause = 0, ""
    error: Exception | None = None
    while (begun := _size(part)) != archive.size:
        if idle >= retry.tries:
            raise DataError(
                f"{archive.name}: {begun} of {archive.size} bytes received, then nothing in {idle} tries ({cause})",
                hint="Run the command again to continue.",
            )
        if idle:
            retry.wait(idle, error)
        try:
            _append(url, part, begun, archive, server, retry, watch)
            error, cause = None, "the connection broke"
        except (OSError, HTTPException) as raised:
            if is_final(raised):
                raise DataError(f"{archive.name}: refused: {printable(str(raised))}") from None
            error, cause = raised, printable(str(raised))
        idle = 0 if _size(part) > begun else idle + 1


def _append(
    url: str, part: Path, begun: int, archive: Archive, server: str, retry: RetryPolicy, watch: Callable[[int], None]
) -> None:
    """Write the data of one connection as it arrives."""
    with open_url(url, server, retry, begun) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
        received = begun if resumed else 0
        with _writable(part, "ab" if resumed else "wb") as write:
            while chunk := answer.read1(_CHUNK):
                received += len(chunk)
                if received > archive.size:
                    part.unlink()
                    raise DataError(f"{archive.name}: longer than the {archive.size} bytes of the record's listing")
                write(chunk)
                watch(received)


@contextmanager
def _writable(path: Path, mode: str) -> Iterator[Callable[[bytes], None]]:
    """Open a file for writing; an error of the disk is final, unlike one of the connection."""

    def write(data: bytes) -> None:
        try:
            file.write(data)
            file.flush()
        except OSError as error:
            raise _unwritable(path, error) from None

    try:
        file = path.open(mode)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield write
    finally:
        with suppress(OSError):  # reported by `write` already
            file.close()


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{printable(str(path))}: cannot be written: {error.strerror}",
        hint="What was received is kept. Make room and run the command again to continue.",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
