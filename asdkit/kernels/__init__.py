"""Kernels: bare loops over arrays, compiled by Numba. No I/O, no classes."""

from asdkit.kernels.frontend import frame_count, log_mel
from asdkit.kernels.mel import mel_filters
from asdkit.kernels.patches import draw, gather

__all__ = ["draw", "frame_count", "gather", "log_mel", "mel_filters"]
