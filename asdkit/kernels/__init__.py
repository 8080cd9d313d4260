"""Kernels: bare loops over arrays, compiled by Numba. No I/O, no classes.

Numba is imported when the first kernel is asked for, not with this package, and compiles a kernel when it is first
called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asdkit.features import frame_count

if TYPE_CHECKING:
    from asdkit.kernels.decibel import power_to_db
    from asdkit.kernels.log_mel import log_mel, mel_spectrogram, stft
    from asdkit.kernels.mel import mel_filters
    from asdkit.kernels.windows import draw, gather

__all__ = ["draw", "frame_count", "gather", "log_mel", "mel_filters", "mel_spectrogram", "power_to_db", "stft"]

_HOMES = {
    "draw": "windows",
    "gather": "windows",
    "log_mel": "log_mel",
    "mel_filters": "mel",
    "mel_spectrogram": "log_mel",
    "power_to_db": "decibel",
    "stft": "log_mel",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f"asdkit.kernels.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
