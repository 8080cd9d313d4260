"""Kernels: bare loops over arrays, compiled by Numba. No I/O, no classes.

Numba is imported when the first kernel is asked for, not with this package, and compiles a kernel when it is first
called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asdkit.kernels.framing import frame_count

if TYPE_CHECKING:
    from asdkit.kernels.decibel import power_to_db
    from asdkit.kernels.frontend import log_mel, mel_spectrogram, stft
    from asdkit.kernels.mel import mel_filters
    from asdkit.kernels.patches import draw, gather

__all__ = ["draw", "frame_count", "gather", "log_mel", "mel_filters", "mel_spectrogram", "power_to_db", "stft"]

_HOMES = {
    "draw": "patches",
    "gather": "patches",
    "log_mel": "frontend",
    "mel_filters": "mel",
    "mel_spectrogram": "frontend",
    "power_to_db": "decibel",
    "stft": "frontend",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f"asdkit.kernels.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
