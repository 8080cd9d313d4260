"""Typed records of the files in a run folder, field by field as the files hold them.

`asdkit.run.store` reads and writes them. Further fields of a file, as a later version writes them, are ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from asdkit.audio import Container
from asdkit.metrics import IdResult, Mean
from asdkit.run.score_table import RunSplit


class Record(BaseModel):
    """Base of all records: strict types, finite numbers, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, populate_by_name=True)


class PluginRecord(Record):
    """A plugin and its options."""

    use: str
    config: dict[str, Any]


class DetectorRecord(PluginRecord):
    """A detector of one machine with all settings after merging.

    Attributes
    ----------
    hop
        None for windows that are whole clips.
    job
        Folder of its job below ``jobs``: ``<machine>/<key>``.
    """

    featurizer: PluginRecord
    frames: int | Literal["clip"]
    hop: int | None
    pool: Literal["mean", "max"] | dict[str, Any]
    augmenters: list[dict[str, Any]]
    scope: Literal["machine", "id"]
    job: str


class SystemRecord(Record):
    """A system.

    Attributes
    ----------
    members
        Names of its detectors.
    fuser
        ``{"use": plugin, option: value, ...}``; None for a system of one member.
    """

    members: list[str]
    fuser: dict[str, Any] | None


class DataRecord(Record):
    """Where the recordings are and how they are read."""

    layout: str
    layout_options: dict[str, Any] = {}
    root: str
    ground_truth: list[str]
    sample_rate: int
    channel: Literal["mean", "far-subtract"] | int
    containers: list[Container] = []
    on_bad_audio: str


class CalibrationRecord(Record):
    """Share of training clips held out, and the rule for thresholds."""

    held_out: float
    false_alarm_rate: float
    threshold: Literal["conformal", "gamma"]


class SettingsRecord(Record):
    """``settings.json``: all settings of a run after merging.

    Attributes
    ----------
    set
        Edits of the command line (``--set``), which the text of the spec does not have.
    machines
        Detectors by machine and name.
    files
        SHA-256 of the files that options name, by name.
    """

    name: str
    set: list[str]
    seed: int
    data: DataRecord
    compute: dict[str, Any]
    calibration: CalibrationRecord
    machines: dict[str, dict[str, DetectorRecord]]
    systems: dict[str, SystemRecord]
    files: dict[str, str] = {}
    versions: dict[str, str]


class ClipRecord(Record):
    """A clip of a job. The file says ``held`` by ``"split": "train", "held_out": true``.

    Attributes
    ----------
    sha256
        Digest of the samples as they were read.
    sound
        The same digest for the same sound in any sample format; None in jobs of early versions.
    cancelled
        Whether the mean of its channels was scored and the channels cancel in it.
    samples, sample_rate, rms, peak
        Length at the rate of the spec, the recording's own rate [Hz], and levels, full scale 1; None in early jobs.
    windows
        How many windows were scored.
    """

    name: str
    id: str
    split: RunSplit
    sha256: str
    sound: str | None = None
    silent: bool
    cancelled: bool = False
    samples: int | None = None
    sample_rate: int | None = None
    rms: float | None = None
    peak: float | None = None
    windows: int

    @property
    def content(self) -> str:
        """Digest that copies of a recording share."""
        return self.sound or self.sha256

    @model_validator(mode="before")
    @classmethod
    def _join_split(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("held_out"):
            return {**data, "split": "held"}
        return data

    @model_serializer
    def _part_split(self) -> dict[str, Any]:
        held = self.split == "held"
        return {
            "name": self.name,
            "id": self.id,
            "split": "train" if held else self.split,
            "held_out": held,
            "sha256": self.sha256,
            "sound": self.sound,
            "silent": self.silent,
            "cancelled": self.cancelled,
            "samples": self.samples,
            "sample_rate": self.sample_rate,
            "rms": self.rms,
            "peak": self.peak,
            "windows": self.windows,
        }


class JobRecord(Record):
    """``job.json``: how a job was computed, and its clips in the order of its scores.

    Attributes
    ----------
    settings, seconds
        Of the detector, as in `DetectorRecord`; wall time by step.
    no_weight
        Why systems fuse without this detector, if they do.
    """

    machine: str
    settings: dict[str, Any]
    seed: int
    device: str
    threads: int
    versions: dict[str, str]
    seconds: dict[str, float]
    notes: list[str]
    no_weight: str = ""
    clips: list[ClipRecord]


class SkippedRecord(Record):
    """A recording that was left out, and why."""

    path: str
    reason: str


class ResultsRecord(Record):
    """``results.json``: figures of a run, and what is to be known of them.

    Attributes
    ----------
    failed
        Why jobs and fusers failed, by title.
    held_out
        Names of the training clips held out, by machine.
    references
        By machine, name (of a member or system) and id: calibration scores of the clips held out, ascending.
    held_scores, no_weight
        By machine, system with a fuser, and clip: the same scores. By machine and member: why systems fuse without it.
    sha256
        Digests of data, settings and code (`asdkit.run.provenance`).
    escaped_names
        Whether names in ``scores.csv`` are written by `asdkit.text.spreadsheet_cell`; before, they were not.
    scores_sha256
        SHA-256 of ``scores.csv``; None in files of earlier versions.
    """

    results: list[IdResult]
    means: list[Mean]
    failed: dict[str, str]
    skipped: list[SkippedRecord]
    held_out: dict[str, list[str]]
    references: dict[str, dict[str, dict[str, list[float]]]]
    notes: list[str]
    seconds: dict[str, dict[str, float]]
    name: str | None = None
    seed: int | None = None
    device: str | None = None
    versions: dict[str, str] | None = None
    sha256: dict[str, str] | None = None
    wall_seconds: float | None = None
    held_scores: dict[str, dict[str, dict[str, float]]] = {}
    no_weight: dict[str, dict[str, str]] = {}
    escaped_names: bool = False
    scores_sha256: str | None = None


class ShardData(Record):
    """Where the recordings of a shard were, and the spec, which paths in options are relative to."""

    root: str
    ground_truth: list[str]
    spec_folder: str | None = None


class ShardRecord(Record):
    """``shards/<k>-of-<n>.json``: what one shard of a run did.

    Attributes
    ----------
    shard
        Its number (from 1), and the number of shards.
    sets
        Edits of the command line (``--set``).
    machines
        The machines asked for beside the spec, if any.
    signature
        What all shards of a run have in common (`asdkit.run.provenance.signature`).
    done
        Folder of each finished job below ``jobs``, by title.
    failed
        Why the other jobs failed, by title.
    """

    shard: tuple[int, int]
    name: str
    sets: list[str]
    data: ShardData
    machines: list[str] | None
    signature: dict[str, Any] = Field(alias="made_of")
    done: dict[str, str]
    failed: dict[str, str]


class OwnerRecord(Record):
    """``.owner.json``: the process that holds the lock of a run folder."""

    pid: int
    host: str


class LeaseRecord(Record):
    """``lease.json``: the holder of a job.

    Attributes
    ----------
    run
        Token of the driver that handed the job out.
    alone
        True if no other job ran in the holder's process or in a process that would die together with it.
    deaths
        How often a process died in the job.
    checkpoint
        Time of the checkpoint that this attempt began from [ns]; 0: from the start.
    at_work
        False once the holder released the job unfinished.
    heartbeat, call
        Grows while the holder lives; the call of a plugin at work, if there is one.
    """

    host: str
    pid: int
    run: str
    alone: bool
    deaths: int
    checkpoint: int = Field(alias="got")
    at_work: bool = True
    heartbeat: int = Field(default=0, alias="beat")
    call: str = ""


class FileEntry(TypedDict):
    """A file in the manifest of a finished job."""

    sha256: str
    size: int
    mtime_ns: int


def encode_manifest(entries: Mapping[str, FileEntry]) -> bytes:
    """Encode a manifest with a digest of its own; the encoding is unique, so that any changed bit is found."""
    inner = json.dumps(entries, indent=1)
    return json.dumps({"files": entries, "sha256": hashlib.sha256(inner.encode()).hexdigest()}, indent=1).encode()


def decode_manifest(data: bytes) -> dict[str, FileEntry]:
    """Decode a manifest.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        entries: dict[str, FileEntry] = json.loads(data)["files"]
        intact = encode_manifest(entries) == data
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise ValueError("it is damaged")
    return entries
