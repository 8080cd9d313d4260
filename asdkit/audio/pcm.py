"""Bare samples, as they come through a pipe, from a device, or out of a WAV that is still being written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from asdkit.audio.decoding import Channel, Wave, one_channel

WIDTHS: Final = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}
"""Sample formats, as ffmpeg names them, and their bytes a sample."""


@dataclass(frozen=True)
class PcmFormat:
    """How sound lies in a stream of bytes.

    Attributes
    ----------
    sample_rate
        Samples a second [Hz].
    channels
        Number of channels, sample by sample in turn.
    samples
        A key of `WIDTHS`.
    """

    sample_rate: int
    channels: int = 1
    samples: str = "s16le"

    @property
    def block(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * WIDTHS[self.samples]

    def decode(self, data: bytes, channel: Channel) -> Wave:
        """One channel of whole blocks [int16 or float32, ``[samples]``], as `asdkit.audio.read` gives it."""
        return one_channel(_NUMBERS[self.samples](data).reshape(-1, self.channels), channel)


def _s24(data: bytes) -> npt.NDArray[np.float32]:
    raw = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 1:] = raw
    return (wide.view("<i4")[:, 0] / 2**31).astype(np.float32)


def _f64(data: bytes) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # what is no sound is told where it is heard
        return np.frombuffer(data, "<f8").astype(np.float32)


_NUMBERS: Final[dict[str, Callable[[bytes], npt.NDArray[Any]]]] = {
    "u8": lambda data: ((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128).astype(np.float32),
    "s16le": lambda data: np.frombuffer(data, "<i2").astype(np.int16, copy=False),
    "s24le": _s24,
    "s32le": lambda data: (np.frombuffer(data, "<i4") / 2**31).astype(np.float32),
    "f32le": lambda data: np.frombuffer(data, "<f4").astype(np.float32, copy=False),
    "f64le": _f64,
}
