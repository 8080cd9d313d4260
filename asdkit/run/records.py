"""Typed records of the files of a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SystemRecord:
    """A system in ``settings.json``.

    Attributes
    ----------
    members
        Names of its detectors.
    fuser
        ``{"use": plugin, option: value, ...}``; None for a system of one member.
    """

    members: list[str]
    fuser: dict[str, Any] | None
