"""Kernels: bare loops over arrays, compiled by Numba on first use. No I/O, no classes."""

from asdkit.kernels.decibel import power_to_db
from asdkit.kernels.frontend import frame_count, log_mel, mel_spectrogram, stft
from asdkit.kernels.mel import mel_filters
from asdkit.kernels.patches import draw, gather

__all__ = ["draw", "frame_count", "gather", "log_mel", "mel_filters", "mel_spectrogram", "power_to_db", "stft"]
