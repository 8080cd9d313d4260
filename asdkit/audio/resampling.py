"""Resample waves from one sample rate to another, whole or block by block, with the same result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asdkit import mapped
from asdkit.audio.channels import Wave

_BLOCK = 1 << 20  # samples at a time, at the higher rate


def resample(wave: Wave, rate: int, sample_rate: int) -> npt.NDArray[np.float32]:
    """Resample from one rate [Hz] to another, as `asdkit.audio.read` does: soxr, HQ.

    Returns
    -------
    resampled
        [float32, ``[resampled_length(len(wave), rate, sample_rate)]``] Full scale 1.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.zeros(480, np.float32), 48000, 16000).shape
    (160,)
    """
    resampled = np.empty(resampled_length(len(wave), rate, sample_rate), np.float32)
    resampler = Resampler(rate, sample_rate, resampled)
    resampler.add(wave)
    resampler.finish()
    return resampled


def resampled_length(samples: int, rate: int, sample_rate: int) -> int:
    """Return the number of samples at `sample_rate` [Hz] of so many at `rate`.

    Examples
    --------
    >>> resampled_length(48000, 48000, 16000)
    16000
    """
    return -(-samples * sample_rate // rate)


class Resampler:
    """Resample a wave that comes in blocks.

    Parameters
    ----------
    rate, sample_rate
        Rates of the blocks and of the result [Hz].
    out
        [float32] The result; its length is `resampled_length`.
    """

    def __init__(self, rate: int, sample_rate: int, out: npt.NDArray[np.float32]) -> None:
        self._out, self._filled = out, 0
        self._step = max(1, _BLOCK * rate // max(rate, sample_rate))
        self._stream: Any
        try:
            import soxr
        except ImportError:  # some installations leave it out because of its licence (LGPL)
            self._stream = _ScipyStream(rate, sample_rate)
        else:
            self._stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")

    def add(self, wave: Wave) -> None:
        """Resample a block [int16, or float32 of full scale 1, ``[samples]``]."""
        for first in range(0, len(wave), self._step):
            part = wave[first : first + self._step]
            if part.dtype == np.int16:
                part = part.astype(np.float32) / np.float32(32768)
            self._write(self._stream.resample_chunk(part))
            mapped.release(self._out)

    def finish(self) -> None:
        """Write what the filter still holds. soxr omits the last sample if it lies beyond the last one of the input."""
        self._write(self._stream.resample_chunk(np.empty(0, np.float32), last=True))
        self._out[self._filled :] = 0

    def _write(self, resampled: npt.NDArray[np.float32]) -> None:
        resampled = resampled[: len(self._out) - self._filled]
        self._out[self._filled : self._filled + len(resampled)] = resampled
        self._filled += len(resampled)


class _ScipyStream:
    """scipy resamples whole waves: blocks are kept until the last."""

    def __init__(self, rate: int, sample_rate: int) -> None:
        common = int(np.gcd(rate, sample_rate))
        self._up, self._down = sample_rate // common, rate // common
        self._blocks: list[npt.NDArray[np.float32]] = []

    def resample_chunk(self, wave: npt.NDArray[np.float32], last: bool = False) -> npt.NDArray[np.float32]:
        from scipy.signal import resample_poly

        self._blocks.append(wave.copy())
        if not last:
            return np.empty(0, np.float32)
        resampled: npt.NDArray[np.float32] = resample_poly(np.concatenate(self._blocks), self._up, self._down)
        return resampled
