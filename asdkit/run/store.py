"""The one reader and writer of a run folder: names, records, and the manifests of finished jobs.

`RunPaths` spells the names of files and folders. Each kind of file has one function that reads it and one that writes
it; `asdkit.run.records` and `asdkit.run.score_table` hold the types. Files and finished jobs appear under their final
names complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from asdkit.errors import AsdkitError, DataError
from asdkit.files import sha256, sync, sync_folder, write_atomic
from asdkit.option_files import FilePath
from asdkit.run.records import (
    FileEntry,
    JobRecord,
    LeaseRecord,
    OwnerRecord,
    Record,
    ResultsRecord,
    SettingsRecord,
    ShardRecord,
    decode_manifest,
    encode_manifest,
)
from asdkit.run.score_table import ScoreTable, decode_scores, encode_scores
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.run.jobs import Job

SCORES, RESULTS, SETTINGS = "scores.csv", "results.json", "settings.json"  # of a run
JOB, JOB_SCORES, MANIFEST = "job.json", "scores.safetensors", "manifest.json"  # of a finished job
LEASE, PROGRESS = "lease.json", "progress.json"  # of a job at work

_SEAL = "content_sha256"  # key of a record's digest

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class _File:
    """A file of a fixed name in the run folder, as an attribute of `RunPaths`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, paths: RunPaths, owner: type[RunPaths]) -> Path:
        return paths.folder / self.name


@dataclass(frozen=True)
class RunPaths:
    """Files and folders of a run.

    Attributes
    ----------
    folder
        The run folder.
    mark
        Suffix of the owner, lock and stop file of a shard; empty for the whole run.
    """

    folder: Path
    mark: str = ""

    spec = _File("spec.toml")  # as it was written
    settings = _File(SETTINGS)
    scores = _File(SCORES)
    results = _File(RESULTS)
    figures = _File("results.csv")  # those of `results` as a table
    report = _File("report.html")
    plots = _File("plots")  # drawings of the report as files
    work_folder = _File("work")  # of jobs at work

    @property
    def lock(self) -> Path:
        """Lock of the run, by which a run folder is known, or of a shard."""
        return self.folder / f".asdkit-lock{self.mark}"

    @property
    def owner(self) -> Path:
        """The process that holds the lock."""
        return self.folder / f".owner{self.mark}.json"

    @property
    def stop_file(self) -> Path:
        """Exists while the run is asked to stop."""
        return self.work_folder / f"stop{self.mark}"

    def work(self, job: Job) -> Path:
        """Folder of a job at work: lease, checkpoints, progress, log."""
        return self.work_folder / job.folder

    def done(self, job: Job) -> Path:
        """Folder of a finished job."""
        return self.job(job.folder)

    def job(self, name: str) -> Path:
        """Folder of the finished job ``<machine>/<key>``."""
        return self.folder / "jobs" / name

    def file(self, digest: str) -> Path:
        """Copy of a file that an option names."""
        return self.folder / "files" / digest

    def shard(self, index: int, count: int) -> Path:
        """Record of a shard."""
        return self.folder / "shards" / f"{index}-of-{count}.json"

    def submission(self, system: str, machine: str, id_: str) -> Path:
        """Scores of the test clips of one id in the format of the challenge."""
        return self.folder / system / submission_name(machine, id_)

    def submissions(self) -> list[Path]:
        """List the files of all systems, machines and ids."""
        return list(self.folder.glob(f"*/{submission_name('*', '*')}"))


def submission_name(machine: str, id_: str) -> str:
    """Name of a file of scores in the format of the challenge."""
    return f"anomaly_score_{machine}_id_{id_}.csv"


def state_name(id_: str = "") -> str:
    """Name of the file of a trained detector in its job's folder; without an id where all ids share it."""
    return f"state{'-' + id_ if id_ else ''}.safetensors"


FEATURIZER = "featurizer.safetensors"
"""Name of the file of a fitted featurizer in its job's folder."""


def checkpoint_name(id_: str = "") -> str:
    """Name of the file of a checkpoint in the folder of a job at work; the id as in `state_name`."""
    return f"checkpoint{'-' + id_ if id_ else ''}.safetensors"


def checkpoint_time(work: Path) -> int:
    """Time of the latest checkpoint of a job at work [ns]; 0 without one."""
    return max((path.stat().st_mtime_ns for path in work.glob("checkpoint*")), default=0)


def read_settings(paths: RunPaths) -> SettingsRecord:
    """Read ``settings.json``.

    Raises
    ------
    DataError
        If the file is missing or not valid; says what and where.
    """
    return _read(paths.settings, lambda data: _unseal(data, SettingsRecord))


def write_settings(paths: RunPaths, record: SettingsRecord) -> None:
    """Write ``settings.json``."""
    write_atomic(paths.settings, _seal(record))


def store_files(paths: RunPaths, files: Iterable[FilePath]) -> None:
    """Copy the files that options name into the run folder, so that a bundle can be made of it alone."""
    for file in files:
        copy = paths.file(file.sha256)
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            write_atomic(copy, file.read())


def stored_file(paths: RunPaths, name: str, digest: str) -> FilePath:
    """Return the copy of a file that an option names.

    Raises
    ------
    DataError
        If it is missing.
    """
    copy = paths.file(digest)
    try:
        return FilePath(name, digest, copy.stat().st_size, copy)
    except OSError:
        hint = "`asdkit run SPEC` stores it again; finished jobs are kept."
        raise DataError(f"{printable(str(copy))} is missing: the file {printable(name)}", hint=hint) from None


def read_results(paths: RunPaths) -> ResultsRecord:
    """Read ``results.json``; raises as `read_settings`."""
    return _read(paths.results, lambda data: _unseal(data, ResultsRecord))


def write_results(paths: RunPaths, record: ResultsRecord) -> None:
    """Write ``results.json``."""
    write_atomic(paths.results, _seal(record))


def read_scores(
    paths: RunPaths, names: Collection[str], record: ResultsRecord
) -> tuple[list[str], dict[str, ScoreTable]]:
    """Read ``scores.csv``: the columns of `names` in their order, and the table of each machine.

    Which clips are held out, and their scores, is in the `record` of ``results.json``. Raises as `read_settings`.
    """

    def decode(data: bytes) -> tuple[list[str], dict[str, ScoreTable]]:
        if record.scores_sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise ValueError("it differs from its digest in results.json")
        return decode_scores(data, names, escaped=record.escaped_names)

    columns, tables = _read(paths.scores, decode)
    for machine, table in tables.items():
        parts = (record.references.get(machine, {}), record.held_scores.get(machine, {}))
        table.mark_held(record.held_out.get(machine, ()), *parts)
    return columns, tables


def write_scores(paths: RunPaths, tables: Mapping[str, ScoreTable], names: Sequence[str]) -> str:
    """Write ``scores.csv``: all clips of all machines, a column for each member and system; return its SHA-256."""
    data = encode_scores(tables, names)
    write_atomic(paths.scores, data)
    return hashlib.sha256(data).hexdigest()


def read_shards(paths: RunPaths) -> list[ShardRecord]:
    """Read the records of all shards that finished in a folder.

    Raises
    ------
    AsdkitError
        If one cannot be read or is not valid.
    """
    try:
        files = sorted(paths.folder.glob("shards/*-of-*.json"))
        return [_unseal(path.read_bytes(), ShardRecord) for path in files]
    except (OSError, ValueError) as error:
        raise AsdkitError(f"{paths.folder}: the record of a shard cannot be read ({_reason(error)})") from None


def write_shard(paths: RunPaths, record: ShardRecord) -> None:
    """Write the record of a shard."""
    path = paths.shard(*record.shard)
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, _seal(record))


def read_owner(paths: RunPaths) -> OwnerRecord | None:
    """Read who holds the lock of a run or shard; None if that cannot be read."""
    try:
        return OwnerRecord.model_validate_json(paths.owner.read_bytes())
    except (OSError, ValueError):
        return None


def write_owner(paths: RunPaths, record: OwnerRecord) -> None:
    """Write who holds the lock of a run or shard."""
    write_atomic(paths.owner, _encode(record))


def read_lease(work: Path) -> LeaseRecord | None:
    """Read the lease in a job's working folder; None without a valid one."""
    try:
        return LeaseRecord.model_validate_json((work / LEASE).read_bytes())
    except (OSError, ValueError):
        return None


def write_lease(work: Path, record: LeaseRecord) -> None:
    """Write the lease of a job; not synced, for after a power cut it has no holder."""
    _replace(work / LEASE, json.dumps(record.model_dump(by_alias=True)))


def has_lease(work: Path) -> bool:
    """Whether a lease is in a job's working folder, valid or not."""
    return (work / LEASE).exists()


def remove_lease(work: Path) -> None:
    """Remove the lease of a job, if there is one."""
    (work / LEASE).unlink(missing_ok=True)


def read_progress(work: Path, newer_than_s: float | None = None) -> dict[str, float | int | str]:
    """Read the latest values that a job reported; empty if there are none, or none in the last `newer_than_s`."""
    path = work / PROGRESS
    try:
        if newer_than_s is not None and time.time() - path.stat().st_mtime >= newer_than_s:
            return {}
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_progress(work: Path, values: Mapping[str, float | int | str]) -> None:
    """Write the latest values of a job; not synced."""
    _replace(work / PROGRESS, json.dumps(values))


def read_job(folder: Path) -> JobRecord:
    """Read ``job.json`` of a finished job; raises as `read_verified`."""
    try:
        return JobRecord.model_validate_json(read_verified(folder, JOB))
    except ValidationError as error:
        raise _damaged(folder, f"{JOB}: {_reason(error)}") from None


def read_job_scores(folder: Path, record: JobRecord) -> dict[str, float]:
    """Read the clip scores of a finished job, by the names of its clips; raises as `read_verified`."""
    from safetensors.numpy import load

    scores = load(read_verified(folder, JOB_SCORES))["clip_scores"]
    return dict(zip([clip.name for clip in record.clips], scores, strict=True))


def write_job(folder: Path, record: JobRecord, clip_scores: npt.NDArray[np.floating[Any]]) -> None:
    """Write a job's record and scores [float, ``[clips]``] into the folder that `publish` will move."""
    from safetensors.numpy import save

    (folder / JOB_SCORES).write_bytes(save({"clip_scores": clip_scores}))
    (folder / JOB).write_bytes(_encode(record))


def publish(folder: Path, final: Path) -> None:
    """Add a manifest of SHA-256 digests to a finished folder and move it to its final name.

    All files in it are synced here. An intact folder that already has the final name is kept: another process did the
    same work.
    """
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    (folder / MANIFEST).write_bytes(encode_manifest({name: _file_entry(path) for name, path in files.items()}))
    sync([*files.values(), folder / MANIFEST, *{path.parent for path in files.values()}, folder])
    if final.exists():
        if verify(final) is None:
            shutil.rmtree(folder)
            return
        damaged = folder.with_name(f"{folder.name}.spoilt")  # moved first: never half of it under the final name
        shutil.rmtree(damaged, ignore_errors=True)
        os.replace(final, damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(folder, final)
    sync_folder(final.parent)


def verify(folder: Path) -> str | None:
    """Say why a published folder is not complete and intact, or None if it is; every file is hashed."""
    return _fault(folder, trust_times=False)


def unchanged(folder: Path) -> str | None:
    """Do as `verify`, but hash only the files whose size or time of change differs from the manifest.

    A run with thousands of finished jobs finds in this way what is left to do. What it then reads of these jobs is
    verified by `read_verified`.
    """
    return _fault(folder, trust_times=True)


def read_verified(folder: Path, name: str) -> bytes:
    """Read a file of a published folder.

    Raises
    ------
    AsdkitError
        If it differs from its digest, or the manifest is damaged.
    """
    try:
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() == _read_manifest(folder)[name]["sha256"]:
            return data
        fault = f"{name} differs from its digest"
    except (OSError, ValueError, KeyError) as error:
        fault = _manifest_fault(error)
    raise _damaged(folder, fault)


def _fault(folder: Path, *, trust_times: bool) -> str | None:
    try:
        for name, entry in _read_manifest(folder).items():
            path = folder / name
            status = path.stat()
            same = status.st_size == entry["size"] and status.st_mtime_ns == entry["mtime_ns"]
            if not (trust_times and same) and sha256(path) != entry["sha256"]:
                return f"{name} differs from its digest"
    except (OSError, ValueError) as error:
        return _manifest_fault(error)
    return None


def _manifest_fault(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{Path(error.filename).name} is missing"
    return f"{MANIFEST} cannot be read ({error})"


def _damaged(folder: Path, fault: str) -> AsdkitError:
    return AsdkitError(f"{folder} is damaged: {fault}", hint="Remove it and run again.")


def _file_entry(path: Path) -> FileEntry:
    status = path.stat()
    return {"sha256": sha256(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read_manifest(folder: Path) -> dict[str, FileEntry]:
    return decode_manifest((folder / MANIFEST).read_bytes())


def _encode(record: Record) -> bytes:
    values = record.model_dump(by_alias=True)
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _seal(record: Record) -> bytes:
    """Encode a record with a digest of its content, which `_unseal` checks."""
    values = json.loads(_encode(record))
    return (json.dumps({**values, _SEAL: _content_digest(values)}, indent=1, ensure_ascii=False) + "\n").encode()


def _unseal(data: bytes, kind: type[R]) -> R:
    """Decode what `_seal` encoded; files of earlier versions have no digest.

    Raises
    ------
    ValueError
        If it is not valid, or differs from its digest.
    """
    record = kind.model_validate_json(data)
    values = json.loads(data)
    if values.pop(_SEAL, None) not in (None, _content_digest(values)):
        raise ValueError("it differs from its digest")
    return record


def _content_digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text)
    os.replace(temporary, path)


def _read(path: Path, decode: Callable[[bytes], T]) -> T:
    """Read and decode a file of a finished run.

    Raises
    ------
    DataError
        If it is missing or `decode` raises `ValueError`.
    """
    folder = printable(str(path.parent))
    try:
        return decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} holds no finished run: {path.name} is missing",
            hint="`asdkit run SPEC` makes a run and its report.",
        ) from None
    except (OSError, ValueError) as error:
        raise unreadable(path.parent, f"{path.name}: {_reason(error)}") from None


def unreadable(folder: Path, reason: str) -> DataError:
    """Make the error for the files of a finished run that are not valid, or do not fit together."""
    return DataError(
        f"{printable(str(folder))}: the results cannot be read ({printable(reason)})",
        hint="`asdkit run SPEC` writes them again; finished jobs are kept.",
    )


def _reason(error: Exception) -> str:
    """Say in a line what is wrong with a file, and where in it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}" if where else first["msg"]
    return (isinstance(error, OSError) and error.strerror) or str(error)
