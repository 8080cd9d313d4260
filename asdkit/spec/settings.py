"""Settings of a spec: the core's keys of each table, and the merged settings that other modules use."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from asdkit.audio import Container
from asdkit.config import AugmenterConfig, Config, DetectorConfig, JobOutline
from asdkit.spec.positions import quoted

RESERVED_NAMES = frozenset(
    {
        "files",
        "jobs",
        "plots",
        "work",
        "spec.toml",
        "settings.json",
        "scores.csv",
        "results.csv",
        "results.json",
        "report.html",
    }  # of a run folder
    | {"path", "machine", "id", "split", "label"}  # columns of scores.csv
)
"""Names that no detector or system may have, in upper or lower case."""

PLUGIN_DEFAULT_KEYS = ("frames", "hop", "pool", "scope")
"""Keys of the core for which a detector plugin may have its own defaults (`Entry.defaults`)."""

MAX_NAME = 100
"""Longest name of a detector or system [characters], because it becomes a folder."""

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_DEVICE_FILE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]", re.IGNORECASE)
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?([MGT]iB)")
_UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_ADDRESS = re.compile(r"(?P<protocol>tcp|tls)://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}")


def name_fault(name: str) -> str:
    """Return why a detector, a system or a run cannot have a name; empty if it can."""
    if not (fault := folder_fault(name)) and len(name) > MAX_NAME:
        return f"the name is longer than {MAX_NAME} characters"
    return fault


def folder_fault(name: str) -> str:
    """Return why a name of any source cannot be part of a path on every system; empty if it can."""
    if not name:
        return "the name is empty"
    if _FORBIDDEN.search(name) or not all(c.isprintable() or unicodedata.category(c) in {"Zs", "Cs"} for c in name):
        return 'a name becomes a folder, so it may not contain control characters or any of / \\ : * ? " < > |'
    if name.startswith(".") or name.endswith(".") or name != name.strip():
        return "a name may not begin or end with a dot or a space"
    if _DEVICE_FILE.fullmatch(name.partition(".")[0].rstrip()):
        return "Windows reserves the name for a device"
    return ""


def folder_key(name: str) -> str:
    """Return a key that is equal for names of one folder on systems that ignore case or how accents are coded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class DataSettings(Config):
    """``[data]``: the recordings and how they are read."""

    layout: str = Field(description="the layout of the data")
    root: Path = Field(description="the folder of the recordings, relative to the spec's folder")
    ground_truth: tuple[Path, ...] = Field(
        (), description="CSV files of the organisers, or folders of them, relative to the spec's folder"
    )
    sample_rate: int = Field(16000, ge=1000, le=768_000, description="Hz; recordings of other rates are resampled")
    channel: Literal["mean", "far-subtract"] | Annotated[int, Field(ge=0, le=63)] = Field(
        "mean", description="of several channels: their mean, the one with this index (from 0), or far-subtract"
    )
    containers: tuple[Container, ...] = Field(
        (), description="formats besides WAV and FLAC, under layouts that accept any file name; decoded by libsndfile"
    )
    machines: tuple[str, ...] | None = Field(None, min_length=1, description="default: all machines")
    on_bad_audio: Literal["stop", "skip"] = Field("stop", description="what to do with an unusable recording")

    @field_validator("root", mode="before")
    @classmethod
    def _check_root(cls, value: object) -> object:
        if value == "" or (isinstance(value, str) and "\0" in value):
            raise ValueError(f"{quoted(str(value))} cannot be a folder")
        return value

    @field_validator("machines")
    @classmethod
    def _check_machines(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        names = value or ()
        for index, name in enumerate(names):
            if name_fault(name):
                raise ValueError(f"{quoted(name)}: {name_fault(name)}")
            if name in names[:index]:
                raise ValueError(f"{quoted(name)} is listed twice")
        return value


class ComputeSettings(Config):
    """``[compute]``: processes, threads and devices. The number of threads may change the last digits of a result."""

    workers: int = Field(1, ge=1, le=1024, description="number of processes")
    threads: int | None = Field(
        None, ge=1, le=1024, description="threads of each worker; default: the cores divided by the workers"
    )
    device: str = Field("auto", description="auto (cuda if available), cpu, cuda or cuda:N")
    backend: Literal["loky", "dask", "sequential"] = Field(
        "loky",
        description="worker processes on this machine, a Dask cluster, or one job after another in one process",
    )
    insecure: bool = Field(False, description="whether a scheduler on another machine may be reached by plain tcp")
    scheduler: str | None = Field(
        None, description="address of a Dask scheduler; default: one is started on this machine for the run"
    )
    memory: str | None = Field(None, description="most that a job may need, by estimate: 8GiB; default: all there is")

    @property
    def memory_bytes(self) -> float | None:
        """`memory` in bytes; None if it is not set."""
        match = _SIZE.fullmatch(self.memory or "")
        return None if match is None else float(match[1]) * _UNITS[match[2]]

    @field_validator("memory")
    @classmethod
    def _check_memory(cls, value: str | None) -> str | None:
        match = _SIZE.fullmatch(value or "")
        if value is not None and (match is None or not float(match[1])):
            raise ValueError(f'{quoted(value)} is not a size; expected one in MiB, GiB or TiB, such as "8GiB"')
        return value

    @field_validator("device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not _DEVICE.fullmatch(value):
            raise ValueError(f'{quoted(value)} is not a device; expected "auto", "cpu", "cuda" or one such as "cuda:0"')
        return value

    @field_validator("scheduler")
    @classmethod
    def _check_scheduler(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        match = _ADDRESS.fullmatch(value)
        if match is None:
            raise ValueError(f'{quoted(value)} is not an address; expected one such as "tls://host:8786"')
        if match["protocol"] == "tcp" and not _is_loopback(match["host"]) and not info.data.get("insecure"):
            raise ValueError(
                f"{quoted(value)} is not encrypted, and anyone who can reach it can run code there; expected tls://, a "
                "loopback address, or insecure = true"
            )
        return value


class CalibrationSettings(Config):
    """``[calibration]``: the clips held out of training, and how thresholds follow from their scores."""

    held_out: float = Field(
        0.2, ge=0, lt=1, description="share of each id's training clips that are held out of training"
    )
    false_alarm_rate: float = Field(0.05, gt=0, lt=1, description="share of healthy clips that may be called anomalous")
    threshold: Literal["conformal", "gamma"] = Field(
        "conformal",
        description="from the rank among the held-out clips, or from the quantile of a gamma distribution fitted to "
        "their scores (baselines of DCASE Task 2: 0.9, that is, a rate of 0.1)",
    )


def held_out_clips(clips: int, share: float) -> int:
    """Return how many of an id's training clips are held out: the share of them, rounded, as long as one is left."""
    return min(round(share * clips), clips - 1)


class Top(Config):
    """Pooling: the mean of the `top` highest window scores of a clip."""

    top: int = Field(ge=1, description="the number of highest window scores")


class HeadKeys(Config):
    """Top-level keys of the spec."""

    asdkit: int = Field(ge=1, description="the version of the spec format: asdkit = 1")
    name: str | None = Field(None, description="name of the run folder; default: the file's name")
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed of all randomness")

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        if value is not None and name_fault(value):
            raise ValueError(f"{quoted(value)}: {name_fault(value)}")
        return value


class FeaturizerKeys(Config):
    """The core's keys of a featurizer's table."""

    store: Literal["memory", "memmap"] = Field("memory", description="where the frames are stored")


class AugmenterKeys(Config):
    """The core's keys of an augmenter's table."""

    probability: float | None = Field(
        None, gt=0, le=1, description="probability that a sampled window is passed to it; default: an equal share"
    )


class DetectorKeys(Config):
    """The core's keys of a detector's table."""

    featurizer: str | None = Field(None, description="a table in [featurizers]; default: the only one")
    frames: Annotated[int, Field(ge=1)] | Literal["clip"] = Field(5, description="frames of a window")
    hop: int = Field(1, ge=1, description="frames from one window to the next")
    pool: Literal["mean", "max"] | Top = Field("mean", description="window scores -> clip score")
    augmenters: tuple[str, ...] = Field((), description="tables in [augmenters], for training only")
    scope: Literal["machine", "id"] = Field("machine", description="one detector for each machine, or for each id")


class SystemKeys(Config):
    """The core's keys of a system's table."""

    members: tuple[str, ...] = Field(min_length=1, description="the detectors whose clip scores it combines")


@dataclass(frozen=True)
class FeaturizerSettings:
    """Settings of one table in ``[featurizers]``."""

    name: str
    use: str
    config: Config
    store: Literal["memory", "memmap"]

    def canonical(self) -> dict[str, Any]:
        """Return what determines the frames, in JSON types; `store` does not."""
        return {"use": self.use, "config": self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class AugmenterSettings:
    """Settings of one table in ``[augmenters]``."""

    name: str
    use: str
    config: AugmenterConfig
    probability: float | None

    def canonical(self) -> dict[str, Any]:
        """Return what determines the result, in JSON types."""
        return {"use": self.use, "config": self.config.model_dump(mode="json"), "probability": self.probability}


@dataclass(frozen=True)
class DetectorSettings:
    """Settings of one table in ``[detectors]``, merged, possibly for one machine.

    Attributes
    ----------
    pool
        ``"mean"``, ``"max"``, or the mean of the highest scores (`Top`).
    """

    name: str
    use: str
    config: DetectorConfig
    featurizer: FeaturizerSettings
    frames: int | Literal["clip"]
    hop: int
    pool: Literal["mean", "max"] | Top
    augmenters: tuple[AugmenterSettings, ...]
    scope: Literal["machine", "id"]

    @property
    def configs(self) -> tuple[Config, ...]:
        """Options of its plugins: of the detector, the featurizer, and the augmenters."""
        return self.config, self.featurizer.config, *(augmenter.config for augmenter in self.augmenters)

    def outline(self, ids: int | None = None) -> JobOutline:
        """Return what is known of its job; `ids` is the machine's number of ids, None before the data are scanned."""
        job_ids = ids if self.scope == "machine" else 1
        return JobOutline(self.frames, tuple(augmenter.config for augmenter in self.augmenters), job_ids)

    def canonical(self) -> dict[str, Any]:
        """Return all settings that determine the scores, merged and with defaults, in JSON types.

        Detectors that are trained and pooled in the same way have equal dicts: table names and settings without effect
        are left out. With ``frames = "clip"`` there is no hop.
        """
        return {
            "use": self.use,
            "config": self.config.model_dump(mode="json"),
            "featurizer": self.featurizer.canonical(),
            "frames": self.frames,
            "hop": None if self.frames == "clip" else self.hop,
            "pool": self.pool.model_dump(mode="json") if isinstance(self.pool, Top) else self.pool,
            "augmenters": [augmenter.canonical() for augmenter in self.augmenters],
            "scope": self.scope,
        }


@dataclass(frozen=True)
class PluginSettings:
    """A plugin without keys of the core: the ``fuser`` of a system, the ``layout`` of the data."""

    use: str
    config: Config

    def canonical(self) -> dict[str, Any]:
        """Return what determines the result, in JSON types."""
        return {"use": self.use, "config": self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class SystemSettings:
    """Settings of one table in ``[systems]``; without a fuser the score is that of its one member."""

    name: str
    members: tuple[str, ...]
    fuser: PluginSettings | None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
