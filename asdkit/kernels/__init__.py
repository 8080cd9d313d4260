"""Kernels: loops over arrays, compiled by Numba. No I/O; the caller owns inputs and outputs.

- `log_mel`: `stft`, `mel_spectrogram`, `log_mel`, `power_to_db`; `band_spectrum`: the function of that name
- `rows`: what these share; `framing` counts frames and weights their samples
- `mel`: `mel_filters`, `mel_centres`; `log_bands`: `band_centres`; `filter_bank`: how kernels take filters
- `windows`: `gather` copies windows into a batch, `draw` samples windows for an epoch
- `bootstrap`: areas under ROC curves of random weights
- `jit`: how kernels are compiled and cached
- `fallback`: selects `log_mel_simd`, over the vector type of `simd` and the transform of `fft`, or `log_mel_plain`

Numba is imported on first use, and compiles a kernel when it is first called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# These imports come before any other of the submodules `band_spectrum` and `log_mel`: the names are the functions'.
from asdkit.kernels.band_spectrum import band_spectrum
from asdkit.kernels.framing import frame_count
from asdkit.kernels.log_bands import band_centres
from asdkit.kernels.log_mel import log_mel, mel_spectrogram, power_to_db, stft
from asdkit.kernels.mel import mel_centres, mel_filters

if TYPE_CHECKING:
    from asdkit.kernels.windows import draw, gather

__all__ = [
    "band_centres",
    "band_spectrum",
    "draw",
    "frame_count",
    "gather",
    "log_mel",
    "mel_centres",
    "mel_filters",
    "mel_spectrogram",
    "power_to_db",
    "stft",
]

_LAZY = {"draw": "asdkit.kernels.windows", "gather": "asdkit.kernels.windows"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = globals()[name] = getattr(import_module(_LAZY[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
