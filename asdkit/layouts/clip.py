"""A clip: one recording, with what its path says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, with what its path says about it.

    Attributes
    ----------
    path
        Path of the file.
    name
        Path below the data's root, with ``/`` and printable. Tables show it, and scores are joined by it.
    machine
        Machine type, such as ``"fan"``.
    id
        Unit of that machine type, such as ``"00"``.
    split
        ``"train"`` or ``"test"``.
    label
        0 normal, 1 anomaly, None unknown. Never reaches a detector.
    domain
        ``"source"`` or ``"target"``, where the data set has domains.
    attributes
        Other pairs of name and value in the file name or table, such as speed or load.
    """

    path: Path
    name: str
    machine: str
    id: str
    split: Split
    label: int | None
    domain: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
