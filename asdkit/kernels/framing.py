"""Frames of a wave: how many there are, and the weights of their samples. Free of Numba."""

# No `from __future__ import annotations` here: the signature of `frame_count` is public, annotations included.
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FFT_SIZES = tuple(2**i for i in range(6, 14))
"""Frame lengths that the kernels transform, 64 to 8192; `scipy.fft` transforms the others."""

_INT16_SCALE = np.float32(1 / 32768)


def frame_count(n_samples: int, *, n_fft: int = 1024, hop_length: int = 512, center: bool = True) -> int:
    """Count the frames of a wave.

    Parameters
    ----------
    n_samples
        Samples of the wave.
    n_fft, hop_length, center
        As in `log_mel`. Without `center`, a wave shorter than `n_fft` has no frame.

    Examples
    --------
    >>> from asdkit.kernels import frame_count
    >>> frame_count(160_000, n_fft=1024, hop_length=512)
    313
    """
    if center:
        n_samples += 2 * (n_fft // 2)
    return 1 + (n_samples - n_fft) // hop_length if n_samples >= n_fft else 0


@lru_cache(maxsize=32)
def frame_weights(n_fft: int, window: bytes | None, int16: bool) -> npt.NDArray[np.float32]:
    """Weights of a frame's samples [float32, ``[n_fft]``], as the kernels take them.

    Parameters
    ----------
    n_fft
        Samples of a frame. In `FFT_SIZES` the weights are halved, because the kernels leave out the factor 1/2 when
        they unpack the spectrum.
    window
        Weights, at most `n_fft` float64 as bytes, centred in the frame; None is the periodic Hann window.
    int16
        Whether samples are int16, which the weights then scale to [-1, 1).
    """
    if window is None:
        weights = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    else:
        given = np.frombuffer(window)
        if not 1 <= len(given) <= n_fft:
            raise ValueError(f"a window of {len(given)} samples does not fit a frame of {n_fft}")
        weights = np.zeros(n_fft)
        begin = (n_fft - len(given)) // 2
        weights[begin : begin + len(given)] = given
    if n_fft in FFT_SIZES:
        weights *= 0.5
    return (weights * _INT16_SCALE if int16 else weights).astype(np.float32)
