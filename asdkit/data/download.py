"""Unpack an archive that somebody else made: nothing outside its folder, no links, no bombs, whole or not at all.

Download an edition of the challenge: listed by its records, resumed where it broke off, checked, unpacked.
"""

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
from asdkit.text import nearest, printable

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


SERVER = "https://zenodo.org"
MAX_LISTING = 10 << 20  # bytes
_CHUNK_download = 1 << 20


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
            while chunk := answer.read1(_CHUNK_download):
                there += len(chunk)
                if there > archive.size:
                    part.unlink()
                    raise DataError(f"{archive.name}: longer than the {archive.size} bytes of the record's listing")
                file.write(chunk)
                watch(there)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
