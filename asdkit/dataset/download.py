"""Download an edition of the challenge: listed by its records, resumed where it broke off, checked, unpacked."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from asdkit.dataset.known import DEV_MACHINES, EVAL_MACHINES
from asdkit.dataset.records import RECORDS, Archive, machine_of
from asdkit.dataset.unpacking import unpack
from asdkit.errors import DataError, UsageError
from asdkit.naming import nearest, printable

SERVER = "https://zenodo.org"
MAX_LISTING = 10 << 20  # bytes
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server that stalls or breaks off.

    Attributes
    ----------
    timeout
        Seconds without a byte.
    tries
        In a row that bring nothing new.
    pause
        Seconds between two.
    """

    timeout: float = 30.0
    tries: int = 5
    pause: float = 2.0


def list_archives(
    edition: str, machines: Sequence[str] | None = None, *, server: str = SERVER, patience: Patience | None = None
) -> list[Archive]:
    """List the archives of an edition's records, with the sizes and checksums that the records themselves tell.

    Raises
    ------
    UsageError
        No such edition, or no archive of such a machine.
    DataError
        A record that cannot be listed, or a listing that makes no sense.
    """
    if edition not in RECORDS:
        raise UsageError(f'no edition "{edition}"{nearest(edition, RECORDS)}')
    names = (*DEV_MACHINES.get(edition, ()), *EVAL_MACHINES.get(edition, ()), *(machines or ()))
    found = [
        archive
        for part, records in RECORDS[edition].items()
        for record in records
        for archive in _list_record(part, record, names, server, patience or Patience())
    ]
    there = sorted({archive.machine for archive in found})
    missing = [f'no archive of machine "{m}"{nearest(m, there)}' for m in machines or () if m not in there]
    if missing:
        raise UsageError("\n".join(missing))
    return [archive for archive in found if machines is None or archive.machine in machines]


def fetch(
    archive: Archive,
    root: Path,
    *,
    patience: Patience | None = None,
    watch: Callable[[int], None] = lambda size: None,
) -> bool:
    """Download and unpack one archive below `root`; False where that was done before.

    `watch` is told, piece by piece, how many bytes of it are there.

    What came before a broken connection is kept in ``<root>/.downloads`` and taken up again, in this call or a later
    one. The archive itself is removed once it is unpacked.

    Raises
    ------
    DataError
        No end of broken connections, another size or checksum than listed (the file is then removed), or an archive
        that must not be unpacked.
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
        _resume(url, part, archive, patience or Patience(), watch)
        os.replace(part, output)

    try:
        whole = pooch.retrieve(
            archive.url, archive.checksum, fname=part.stem, path=folder, downloader=download, progressbar=False
        )
    except ValueError:  # pooch removes the file
        raise DataError(
            f"{archive.name}: its checksum is not the {archive.checksum} of the record's listing; removed",
            hint="Run the command again; if it happens again, the download is tampered with or the record is damaged.",
        ) from None
    try:
        moved = unpack(Path(whole), root / archive.part)
    finally:
        Path(whole).unlink(missing_ok=True)
    done.write_text("\n".join([archive.checksum, *moved]), encoding="utf-8")
    return True


def _list_record(part: str, record: int, names: Sequence[str], server: str, patience: Patience) -> list[Archive]:
    url = f"{server}/api/records/{record}"
    try:
        with _open(url, patience) as answer:
            text = answer.read(MAX_LISTING + 1)
        if len(text) > MAX_LISTING:
            raise ValueError("the listing is absurdly long")
        listing = json.loads(text)
        return [a for entry in listing["files"] if (a := _archive(entry, part, names, server)) is not None]
    except (OSError, HTTPException) as error:
        raise DataError(f"{url}: cannot be listed: {printable(str(error))}", hint="Try again later.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{url}: not the listing of a record: {printable(str(error))}") from None


def _open(url: str, patience: Patience, begun: int = 0) -> Any:
    """Ask for a file, from a byte on; whether the server obliges is for its status to say."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is no web address")
    request = Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310  # checked above
    return urlopen(request, timeout=patience.timeout)  # noqa: S310


def _archive(entry: dict[str, Any], part: str, names: Sequence[str], server: str) -> Archive | None:
    name, size, checksum, url = str(entry["key"]), entry["size"], str(entry["checksum"]), str(entry["links"]["self"])
    machine = machine_of(name, tuple(names))
    if machine is None:
        return None
    if not isinstance(size, int) or size <= 0 or not checksum.startswith("md5:") or name != os.path.basename(name):
        raise ValueError(f"{name}: no size or no checksum")
    if urlsplit(url)[:2] != urlsplit(server)[:2]:
        raise ValueError(f"{name} lies on another server, {url}")
    return Archive(name, part, machine, size, checksum, url)


def _resume(url: str, part: Path, archive: Archive, patience: Patience, watch: Callable[[int], None]) -> None:
    """Append to `part` what is missing of it, however often the server breaks off or stalls."""
    idle, cause = 0, ""
    while (begun := _size(part)) != archive.size:
        if idle >= patience.tries:
            raise DataError(
                f"{archive.name}: {begun} of {archive.size} bytes came, then nothing more in {idle} tries ({cause})",
                hint="Run the command again to go on from there.",
            )
        if idle:
            time.sleep(patience.pause)
        try:
            _append(url, part, begun, archive, patience, watch)
            cause = "the connection broke off"
        except (OSError, HTTPException) as error:
            cause = printable(str(error))
        idle = 0 if _size(part) > begun else idle + 1


def _append(
    url: str, part: Path, begun: int, archive: Archive, patience: Patience, watch: Callable[[int], None]
) -> None:
    """Write what one connection brings, each piece as it comes."""
    with _open(url, patience, begun) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
        there = begun if resumed else 0
        with part.open("ab" if resumed else "wb", buffering=0) as file:
            while chunk := answer.read1(_CHUNK):
                there += len(chunk)
                if there > archive.size:
                    part.unlink()
                    raise DataError(f"{archive.name}: longer than the {archive.size} bytes of the record's listing")
                file.write(chunk)
                watch(there)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
