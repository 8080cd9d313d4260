"""Mix the channels of a recording down to one, and measure whether they cancel."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32] | npt.NDArray[np.int16]
Channel = int | Literal["mean", "far-subtract"]
"""The mean of all channels, the index of one, or channel 0 less its prediction from channel 1 (`far_subtraction`)."""

CANCELLED = 0.1
"""Share of the power that unrelated channels would leave in their mean; with less than that left, channels cancel.

For two channels of equal power: a correlation below -0.9.
"""

_BLOCK, _ROWS = 1 << 16, 1 << 13  # numbers and samples of a block, at most, so that it stays in the cache
_MEASURED = 4  # one block of so many is measured: less than half a second at 16 kHz lies between two


class Mixdown:
    """Mix blocks of samples down to one channel, and measure whether the channels cancel in it.

    Parameters
    ----------
    channels
        Channels of the blocks.
    channel
        ``"mean"`` of all channels, or the index of one, from 0; far-subtract is not a matter of single samples.
    """

    def __init__(self, channels: int, channel: Channel) -> None:
        self._channel: Channel = 0 if channels == 1 else channel
        self._blocks = self._count = 0
        self._lowest, self._highest = np.inf, -np.inf  # of the mixed samples, full scale 1
        self._offsets: npt.NDArray[np.float32] | None = None  # first sample: where offsets are large, sums stay exact
        # Sum and sum of squares of each channel, and, last, of the sum of all channels.
        self._sums, self._squares = np.zeros(channels + 1), np.zeros(channels + 1)

    def mix(self, frames: npt.NDArray[Any]) -> Wave:
        """Return one channel, or the mean, of a block.

        Parameters
        ----------
        frames
            [int16 or float32, ``[samples, channels]``]

        Returns
        -------
        wave
            [``[samples]``] Of the type of the block for one channel; float32, full scale 1, for the mean.
        """
        index = self._channel
        wave: Wave = np.ascontiguousarray(frames[:, index]) if isinstance(index, int) else self._mean(frames)
        self.note(wave)
        return wave

    def note(self, wave: Wave) -> None:
        """Take a block of one channel into account for `span`."""
        if len(wave):
            scale = 32768 if wave.dtype == np.int16 else 1
            self._lowest = np.minimum(self._lowest, wave.min() / scale)
            self._highest = np.maximum(self._highest, wave.max() / scale)

    @property
    def span(self) -> float:
        """Largest less smallest sample of the mixed channel, full scale 1; 0 without samples, NaN if one is."""
        return float(np.maximum(0.0, self._highest - self._lowest))

    @property
    def cancels(self) -> bool:
        """Whether the mean has far less power than unrelated channels would leave, constant offsets left out."""
        if not self._count:
            return False
        powers = self._squares - self._sums * self._sums / self._count
        return bool(powers[-1] < CANCELLED * powers[:-1].sum())

    def _mean(self, frames: npt.NDArray[Any]) -> Wave:
        out = np.empty(len(frames), np.float32)
        rows = min(_ROWS, max(1, _BLOCK // frames.shape[1]))
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and Inf are reported by the caller
            for begin in range(0, len(frames), rows):
                self._mix_mean(frames[begin : begin + rows], out[begin : begin + rows])
        return out

    def _mix_mean(self, frames: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Mix a block that fits the cache; several times faster than np.mean over so short an axis."""
        if self._offsets is None:
            self._offsets = np.append(frames[0], 0).astype(np.float32)
            self._offsets[-1] = self._offsets.sum()
        channels = frames.shape[1]
        out[:] = frames[:, 0]
        for other in range(1, channels):
            out += frames[:, other]
        if self._blocks % _MEASURED == 0:
            for place in range(channels):
                self._measure(place, frames[:, place].astype(np.float32))
            self._measure(channels, out.copy())
            self._count += len(frames)
        self._blocks += 1
        out /= channels * (32768 if frames.dtype == np.int16 else 1)

    def _measure(self, place: int, column: npt.NDArray[np.float32]) -> None:
        assert self._offsets is not None
        column -= self._offsets[place]
        self._sums[place] += column.sum()
        self._squares[place] += np.einsum("i,i->", column, column)  # without BLAS, which may start threads


def cancels(frames: npt.NDArray[Any]) -> bool:
    """Return whether channels cancel in their mean [int16 or float32, ``[samples, channels]``]."""
    mixdown = Mixdown(frames.shape[1], "mean")
    mixdown.mix(frames)
    return mixdown.cancels
