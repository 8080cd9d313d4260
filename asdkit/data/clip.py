"""A clip: one recording, and what its place and name say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, and what its place and name say of it.

    Attributes
    ----------
    path
        The file.
    name
        Its path below the data's root, with ``/`` and printable: what tables show and join by.
    machine
        Machine type, such as ``"fan"``.
    id
        Which machine of that type, such as ``"00"``.
    split
        ``"train"`` or ``"test"``.
    label
        0 normal, 1 anomaly, None unknown. Never reaches a detector.
    domain
        ``"source"`` or ``"target"``, where the data tell domains apart.
    attributes
        What else a file name says, such as speed or load.
    """

    path: Path
    name: str
    machine: str
    id: str
    split: Split
    label: int | None
    domain: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
