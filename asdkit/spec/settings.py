"""Settings of a spec, as the rest of the house reads them, and the core's own keys of each table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from asdkit.audio import Container
from asdkit.config import AugmenterConfig, Config, DetectorConfig, JobOutline
from asdkit.spec.positions import shown

RESERVED_NAMES = frozenset(
    {
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
"""Names that no detector or system may have, whatever the case of their letters."""

HELD_OUT = 0.2
"""Default share of each id's training clips that no detector learns from (``calibration.held_out``)."""

MAX_NAME = 100
"""Longest name [characters] of what becomes a folder."""

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
_ADDRESS = re.compile(r"(?P<protocol>tcp|tls)://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}")


def name_fault(name: str) -> str:
    """Why a name cannot be that of a folder and a column; empty where it can."""
    if not name:
        return "the name is empty"
    if not name.isprintable() or _FORBIDDEN.search(name):
        return "a name may hold no control characters and none of / \\ : * ? \" < > |, for it becomes a folder's"
    if name.startswith(".") or name.endswith(".") or name != name.strip():
        return "a name may not begin with a dot, end with one, or begin or end with a space"
    if len(name) > MAX_NAME:
        return f"the name is longer than {MAX_NAME} characters"
    return ""


class DataSettings(Config):
    """``[data]``: which recordings, and how they are read."""

    layout: Literal[
        "dcase2020",
        "dcase2021",
        "dcase2022",
        "dcase2023",
        "dcase2024",
        "dcase2025",
        "dcase2026",
        "mimii",
        "toyadmos",
        "folder",
        "csv",
    ] = Field(description="how the data are laid out")
    root: Path = Field(description="folder of the recordings, relative to the spec's")
    ground_truth: tuple[Path, ...] = Field(
        (), description="the organisers' CSV files, or folders of them, relative to the spec's folder"
    )
    sample_rate: int = Field(16000, ge=1000, le=768_000, description="Hz; recordings of other rates are resampled")
    channel: Literal["mean"] | Annotated[int, Field(ge=0, le=63)] = Field(
        "mean", description="what to make of several channels: their mean, or the one of this index (from 0)"
    )
    containers: tuple[Container, ...] = Field(
        (), description="beyond WAV and FLAC, under layouts that take any file name; decoded by libsndfile"
    )
    machines: tuple[str, ...] | None = Field(None, min_length=1, description="default: every machine found")
    on_bad_audio: Literal["stop", "skip"] = Field("stop", description="what to do with a recording that is unusable")

    @field_validator("root", mode="before")
    @classmethod
    def _is_path(cls, value: object) -> object:
        if value == "" or (isinstance(value, str) and "\0" in value):
            raise ValueError(f"{shown(str(value))} is no folder's name")
        return value

    @field_validator("machines")
    @classmethod
    def _are_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        names = value or ()
        for index, name in enumerate(names):
            if name_fault(name):
                raise ValueError(f"{shown(name)}: {name_fault(name)}")
            if name in names[:index]:
                raise ValueError(f"{shown(name)} is named twice")
        return value


class ComputeSettings(Config):
    """``[compute]``: what to compute with. Another number of threads may change the last digits of a result."""

    workers: int = Field(1, ge=1, le=1024, description="processes that work at the same time")
    threads: int | None = Field(None, ge=1, le=1024, description="threads a worker; default: the cores, shared out")
    device: str = Field("auto", description="auto (cuda where there is one), cpu, cuda or cuda:N")
    backend: Literal["loky", "dask", "sequential"] = Field(
        "loky",
        description="worker processes on this machine, a Dask cluster, or one job after the other in one process",
    )
    insecure: bool = Field(False, description="whether a scheduler elsewhere may be reached by plain tcp")
    scheduler: str | None = Field(
        None, description="address of a Dask scheduler; default: one started on this machine for the run"
    )

    @field_validator("device")
    @classmethod
    def _is_device(cls, value: str) -> str:
        if not _DEVICE.fullmatch(value):
            raise ValueError(f'{shown(value)} is not a device; expected "auto", "cpu", "cuda" or one such as "cuda:0"')
        return value

    @field_validator("scheduler")
    @classmethod
    def _is_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        match = _ADDRESS.fullmatch(value)
        if match is None:
            raise ValueError(f'{shown(value)} is no address; expected one such as "tls://host:8786"')
        if match["protocol"] == "tcp" and not _is_loopback(match["host"]) and not info.data.get("insecure"):
            raise ValueError(
                f"whoever can reach {shown(value)} can run anything there, and read along; expected tls://, an address "
                "on loopback, or insecure = true"
            )
        return value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class CalibrationSettings(Config):
    """``[calibration]``: healthy clips that are kept from learning, and what is decided by them."""

    held_out: float = Field(
        HELD_OUT, ge=0, lt=1, description="share of each id's training clips that no detector learns from"
    )
    false_alarm_rate: float = Field(0.05, gt=0, lt=1, description="share of healthy clips that may be called anomalous")
    threshold: Literal["conformal", "gamma"] = Field(
        "conformal",
        description="by the rank among the clips held out, or by the quantile of a gamma distribution fitted to their "
        "scores (baselines of DCASE Task 2: 0.9, so a rate of 0.1)",
    )


class Top(Config):
    """Pooling by the mean of the `top` highest window scores of a clip."""

    top: int = Field(ge=1, description="how many of the highest window scores")


class HeadKeys(Config):
    """Keys of the spec as a whole."""

    asdkit: int = Field(ge=1, description="the version of the spec format: asdkit = 1")
    name: str | None = Field(None, description="of the run folder; default: the file's name")
    seed: int = Field(0, ge=0, lt=1 << 63, description="what all randomness follows from")

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value is not None and name_fault(value):
            raise ValueError(f"{shown(value)}: {name_fault(value)}")
        return value


class FeaturizerKeys(Config):
    """The core's keys of a featurizer's table."""

    store: Literal["memory", "memmap"] = Field("memory", description="where the frames are kept")


class AugmenterKeys(Config):
    """The core's keys of an augmenter's table."""

    probability: float | None = Field(
        None, gt=0, le=1, description="chance that a drawn window is given to it; default: an equal share"
    )


class DetectorKeys(Config):
    """The core's keys of a detector's table."""

    featurizer: str | None = Field(None, description="a table of [featurizers]; default: the only one")
    frames: Annotated[int, Field(ge=1)] | Literal["clip"] = Field(5, description="frames of a window")
    hop: int = Field(1, ge=1, description="frames from one window to the next")
    pool: Literal["mean", "max"] | Top = Field("mean", description="window scores -> clip score")
    augmenters: tuple[str, ...] = Field((), description="tables of [augmenters], for training alone")
    scope: Literal["machine", "id"] = Field("machine", description="one detector a machine, or one an id")


class SystemKeys(Config):
    """The core's keys of a system's table."""

    members: tuple[str, ...] = Field(min_length=1, description="detectors whose clip scores it combines")


@dataclass(frozen=True)
class FeaturizerSettings:
    """One table of ``[featurizers]``."""

    name: str
    use: str
    config: Config
    store: Literal["memory", "memmap"]

    def canonical(self) -> dict[str, Any]:
        """What determines the frames, as JSON has it; where they are kept does not."""
        return {"use": self.use, "config": self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class AugmenterSettings:
    """One table of ``[augmenters]``."""

    name: str
    use: str
    config: AugmenterConfig
    probability: float | None

    def canonical(self) -> dict[str, Any]:
        """What determines its effect, as JSON has it."""
        return {"use": self.use, "config": self.config.model_dump(mode="json"), "probability": self.probability}


@dataclass(frozen=True)
class DetectorSettings:
    """One table of ``[detectors]``, merged, perhaps for one machine.

    Attributes
    ----------
    pool
        ``"mean"``, ``"max"``, or the mean of the highest (`Top`).
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

    def outline(self, ids: int | None = None) -> JobOutline:
        """What is known of its job, given how many ids the machine has; None while data are unknown."""
        known = ids if self.scope == "machine" else 1
        return JobOutline(self.frames, tuple(augmenter.config for augmenter in self.augmenters), known)

    def canonical(self) -> dict[str, Any]:
        """All settings that determine its scores, merged, defaults filled in, as JSON has them.

        Names of tables are left out, and so is what makes no difference: two detectors that are trained and pooled
        alike have equal dicts. With ``frames = "clip"`` there is no hop.
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
class FuserSettings:
    """``fuser`` of a system."""

    use: str
    config: Config

    def canonical(self) -> dict[str, Any]:
        """What determines its effect, as JSON has it."""
        return {"use": self.use, "config": self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class SystemSettings:
    """One table of ``[systems]``; without a fuser it is its one member's clip score."""

    name: str
    members: tuple[str, ...]
    fuser: FuserSettings | None
