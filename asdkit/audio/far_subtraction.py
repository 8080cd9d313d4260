"""Subtract from a near microphone what a far one predicts of it: channel 0 is near, channel 1 far.

The prediction is linear, one factor a frequency, estimated over the whole recording with frames of 1024 samples, half
overlapping: C and F are the spectra of a frame, and

    H(f) = sum C conj(F) / (sum |F|^2 + 1e-12),    wave = C - H F

(least squares; the far-microphone subtraction of DCASE 2026 Task 2). Two passes over blocks of samples, so memory does
not grow with the recording. Units stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

N_FFT = 1024
HOP = 512
FLOOR = 1e-12
"""Added to the far microphone's power, so that silence predicts nothing."""

_BLOCK = 1 << 16  # samples at a time, so that spectra stay small
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)  # halves of it add up to 1


class FarSubtraction:
    """Estimate the prediction from all blocks (`learn`), then subtract it from the same blocks (`subtract`, `finish`).

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=32000).astype(np.float32)
    >>> frames = np.stack([0.5 * noise, noise], axis=1)
    >>> subtraction = FarSubtraction()
    >>> subtraction.learn(frames)
    >>> wave = np.concatenate([subtraction.subtract(frames), subtraction.finish()])
    >>> len(wave), bool(abs(wave).max() < 1e-3)
    (32000, True)
    """

    def __init__(self) -> None:
        self._cross = np.zeros(HOP + 1, np.complex128)
        self._power = np.zeros(HOP + 1)
        self._begin()

    def learn(self, frames: npt.NDArray[Any]) -> None:
        """Add a block of samples [int16 or float32, ``[samples, channels]``] to the estimate."""
        for near, far in self._spectra(frames):
            self._add(near, far)

    @property
    def response(self) -> npt.NDArray[np.complex128]:
        """H, from the blocks so far [complex128, ``[513]``]."""
        return self._cross / (self._power + FLOOR)

    def subtract(self, frames: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the samples that are complete after the next block, full scale 1 [float32, ``[samples]``]."""
        if self._factor is None:
            self._end_of_learning()
        self._samples += len(frames)
        return self._emit(frames)

    def finish(self) -> npt.NDArray[np.float32]:
        """Return the remaining samples; all of `subtract` and these are as many as the blocks had."""
        if self._factor is None:
            self._end_of_learning()
        rest = self._samples - self._emitted
        return self._emit(np.zeros((2 * N_FFT, 2), np.float32))[:rest]

    def _begin(self) -> None:
        """Forget the blocks: half a frame of silence comes before the first sample."""
        self._waiting = np.zeros((2, HOP), np.float32)
        self._tail: npt.NDArray[np.float32] | None = None
        self._factor: npt.NDArray[np.complex64] | None = None
        self._samples = self._emitted = 0

    def _end_of_learning(self) -> None:
        for near, far in self._spectra(np.zeros((N_FFT, 2), np.float32)):  # the last samples
            self._add(near, far)
        factor = self.response.astype(np.complex64)
        self._begin()
        self._factor = factor

    def _add(self, near: npt.NDArray[np.complex64], far: npt.NDArray[np.complex64]) -> None:
        self._cross += (near * far.conj()).sum(axis=0, dtype=np.complex128)
        self._power += (far.real**2 + far.imag**2).sum(axis=0, dtype=np.float64)

    def _emit(self, frames: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        assert self._factor is not None
        parts: list[npt.NDArray[np.float32]] = []
        for near, far in self._spectra(frames):
            halves = np.fft.irfft(near - self._factor * far, N_FFT, axis=1).astype(np.float32).reshape(-1, 2, HOP)
            first, second = halves[:, 0], halves[:, 1]
            first[1:] += second[:-1]
            if self._tail is None:
                first = first[1:]  # the silence before the first sample
            else:
                first[0] += self._tail
            self._tail = second[-1].copy()
            parts.append(first.reshape(-1))
        out = np.concatenate(parts) if parts else np.empty(0, np.float32)
        self._emitted += len(out)
        return out

    def _spectra(self, frames: npt.NDArray[Any]) -> Any:
        """Yield the spectra of the frames that a block completes, near and far [complex64, ``[frames, 513]``]."""
        for begin in range(0, len(frames), _BLOCK):
            block = frames[begin : begin + _BLOCK, :2].T.astype(np.float32)
            if frames.dtype == np.int16:
                block /= 32768
            joined = np.concatenate([self._waiting, block], axis=1)
            count = max(0, (joined.shape[1] - N_FFT) // HOP + 1)
            self._waiting = joined[:, count * HOP :]
            if count:
                windows = np.lib.stride_tricks.sliding_window_view(joined, N_FFT, axis=1)[:, : count * HOP : HOP]
                spectra = np.fft.rfft(windows * _WINDOW, axis=2).astype(np.complex64, copy=False)
                yield spectra[0], spectra[1]
