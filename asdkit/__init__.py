"""asdkit: anomalous sound detection from recordings of healthy machines."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asdkit.version import __version__

if TYPE_CHECKING:
    from asdkit.bundle import Bundle

__all__ = ["Bundle", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Bundle":  # on first use: importing asdkit stays light, and no layer depends on the bundle's
        return import_module("asdkit.bundle").Bundle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
