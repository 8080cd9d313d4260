"""What ``settings.json`` and ``results.json`` of a run must hold for it to be shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)  # what else there is, is passed over


class _System(_Part):
    members: list[str]
    fuser: dict[str, Any] | None


class _Calibration(_Part):
    false_alarm_rate: float
    threshold: Literal["conformal", "gamma"]


class _Data(_Part):
    layout: str


class _Settings(_Part):
    data: _Data
    calibration: _Calibration
    machines: dict[str, dict[str, Any]]
    systems: dict[str, _System]


class _Figures(_Part):
    name: str
    kind: str
    auc: float | None
    pauc: float | None


class _Result(_Figures):
    machine: str
    id: str
    n_normal: int
    n_anomaly: int
    domain: str | None = None


class _Mean(_Figures):
    machine: str | None
    of: int


class _Results(_Part):
    name: str | None = None
    results: list[_Result]
    means: list[_Mean]
    failed: dict[str, str]
    skipped: list[dict[Literal["path", "reason"], str]]
    held_out: dict[str, list[str]]
    references: dict[str, dict[str, dict[str, list[float]]]]
    notes: list[str]
    seconds: dict[str, dict[str, float]]
    versions: dict[str, str] | None = None
    sha256: dict[str, str] | None = None
    wall_seconds: float | None = None


def read_records(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read ``settings.json`` and ``results.json`` of a run.

    Raises
    ------
    OSError
        If one is missing or cannot be read.
    ValueError
        If one does not hold what it must; says what and where.
    """
    settings = _read(folder / "settings.json", _Settings)
    return settings, _read(folder / "results.json", _Results)


def _read(path: Path, kind: type[_Part]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes(), parse_constant=_refuse)
        kind.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"{path.name}: {f'{where}: ' if where else ''}{first['msg'].partition(' or instance')[0]}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"holds {constant}, which is no number")
