"""From samples to log-mel rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.kernels.mel import Norm, mel_filters

FloatArray = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float32] | npt.NDArray[np.int16]


def frame_count(n_samples: int, *, n_fft: int = 1024, hop_length: int = 512, center: bool = True) -> int:
    """How many frames a wave of `n_samples` samples has; without centring, none if it is shorter than `n_fft`."""
    if center:
        n_samples += 2 * (n_fft // 2)
    return 1 + (n_samples - n_fft) // hop_length if n_samples >= n_fft else 0


def log_mel(
    wave: Wave,
    *,
    sample_rate: float = 16000,
    n_fft: int = 1024,
    hop_length: int = 512,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    power: Literal[1, 2] = 2,
    center: bool = True,
    pad_mode: Literal["constant", "reflect"] = "constant",
    window: FloatArray | None = None,
    htk: bool = False,
    norm: Norm = "slaney",
    out: FloatArray | None = None,
) -> FloatArray:
    """Log-mel spectrogram in dB [float32, ``[frames, n_mels]``]."""
    import scipy.fft

    x = wave.astype(np.float32) / np.float32(32768) if wave.dtype == np.int16 else wave
    if center:
        x = np.pad(x, n_fft // 2, mode=pad_mode)
    frames = np.lib.stride_tricks.sliding_window_view(x, n_fft)[::hop_length]
    if window is None:
        window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    spectrum = np.abs(scipy.fft.rfft(frames * window)) ** power
    filters = mel_filters(
        sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk, norm=norm
    ).astype(np.float32)
    if out is None:
        out = np.empty((len(frames), n_mels), np.float32)
    out[:] = 10 * np.log10(np.maximum(spectrum @ filters.T, np.float32(1e-10)))
    return out
