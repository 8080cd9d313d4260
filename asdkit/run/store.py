"""The one writer: a file or folder is under its final name whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdkit.errors import AsdkitError
from asdkit.files import _sync, sha256, sync_folder, write_atomic

if TYPE_CHECKING:
    from asdkit.run.jobs import Job

MANIFEST = "manifest.json"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically; NaN is refused."""
    write_atomic(path, encode_json(value))


def encode_json(value: Any) -> bytes:
    """`value` as JSON for a file; NaN is refused."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def publish(folder: Path, final: Path) -> None:
    """Seal a finished folder with a manifest of SHA-256 digests and move it to its final name.

    All that is in it is synced here, so whoever fills it need not. A folder already under the final name is kept if
    it is intact: whoever made it did the same work.
    """
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    (folder / MANIFEST).write_bytes(_manifest({name: _entry(path) for name, path in files.items()}))
    _sync([*files.values(), folder / MANIFEST, *{path.parent for path in files.values()}, folder])
    if final.exists():
        if verify(final) is None:
            shutil.rmtree(folder)
            return
        spoilt = folder.with_name(f"{folder.name}.spoilt")  # moved away first: never half of it under the final name
        shutil.rmtree(spoilt, ignore_errors=True)
        os.replace(final, spoilt)
        shutil.rmtree(spoilt, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(folder, final)
    sync_folder(final.parent)


def verify(folder: Path) -> str | None:
    """Why `folder` is not complete and intact, or None if it is: every byte is looked at."""
    return _fault(folder, trusting=False)


def unchanged(folder: Path) -> str | None:
    """As `verify`, but a file that has the size and time of change that it was published with is taken as it is.

    A run with thousands of finished jobs finds what is left so; what it then reads of them it reads by
    `read_verified`.
    """
    return _fault(folder, trusting=True)


def read_verified(folder: Path, name: str) -> bytes:
    """Content of a file of a published folder.

    Raises
    ------
    AsdkitError
        If it differs from its digest, or the manifest is damaged.
    """
    try:
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() == _entries(folder)[name]["sha256"]:
            return data
        fault = f"{name} differs from its digest"
    except (OSError, ValueError, KeyError) as error:
        fault = _told(error)
    raise AsdkitError(f"{folder} is damaged: {fault}", hint="Remove it and run again.")


def _fault(folder: Path, *, trusting: bool) -> str | None:
    try:
        for name, entry in _entries(folder).items():
            path = folder / name
            status = path.stat()
            seen = status.st_size == entry["size"] and status.st_mtime_ns == entry["mtime_ns"]
            if not (trusting and seen) and sha256(path) != entry["sha256"]:
                return f"{name} differs from its digest"
    except (OSError, ValueError) as error:
        return _told(error)
    return None


def _told(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{Path(error.filename).name} is missing"
    return f"{MANIFEST} cannot be read ({error})"


def _entry(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"sha256": sha256(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _manifest(entries: dict[str, Any]) -> bytes:
    """Encode a manifest with a digest of its own: there is one way to write it, so that any other bit is found."""
    inner = json.dumps(entries, indent=1)
    return json.dumps({"files": entries, "sha256": hashlib.sha256(inner.encode()).hexdigest()}, indent=1).encode()


def _entries(folder: Path) -> dict[str, Any]:
    """What a manifest says of each file.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    data = (folder / MANIFEST).read_bytes()
    try:
        entries: dict[str, Any] = json.loads(data)["files"]
        intact = _manifest(entries) == data
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise ValueError("it is damaged")
    return entries


@dataclass(frozen=True)
class RunPaths:
    """Where a run keeps things.

    Attributes
    ----------
    folder
        The run folder.
    mark
        Tells the wish to stop of one shard from that of another in the same folder.
    """

    folder: Path
    mark: str = ""

    def done(self, job: Job) -> Path:
        """Where the job lies once it is complete."""
        return self.folder / "jobs" / job.folder

    def work(self, job: Job) -> Path:
        """Where the job works: checkpoints, progress, log."""
        return self.folder / "work" / job.folder

    @property
    def stop_file(self) -> Path:
        """Exists while the run is asked to stop."""
        return self.folder / "work" / f"stop{self.mark}"
