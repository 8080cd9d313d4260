"""asdkit: anomalous sound detection from recordings of healthy machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asdkit.bundle import Bundle

__all__ = ["Bundle", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Bundle":  # when it is asked for: importing asdkit costs nothing
        from asdkit.bundle import Bundle

        return Bundle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
