"""Bare samples, as they come through a pipe, from a device, or out of a WAV that is still being written.

A WAV that somebody is still writing: its header may say nothing yet, too little, or far too much.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from asdkit.audio.headers import FOREIGN, STREAMED, UnusableError, chunks, read_format, recording
from asdkit.audio.io import Channel, Wave, one_channel
from asdkit.errors import BadAudio

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


_SAMPLES = {
    "PCM_U8": "u8",
    "PCM_16": "s16le",
    "PCM_24": "s24le",
    "PCM_32": "s32le",
    "FLOAT": "f32le",
    "DOUBLE": "f64le",
}
_NOTES = 100  # chunks that may follow the sound


class GrowingWav:
    """An open WAV whose sound is read as it comes.

    Attributes
    ----------
    pcm
        How its samples lie.
    """

    def __init__(self, path: str, file: FileIO, pcm: PcmFormat, data_offset: int) -> None:
        self.path, self.pcm = path, pcm
        self._file, self._begin, self._at = file, data_offset, data_offset

    @classmethod
    def open(cls, path: str) -> GrowingWav | None:
        """Open a WAV; None as long as it is not there or its header is not written.

        Raises
        ------
        BadAudio
            If it is no WAV, or of a kind that cannot be read.
        """
        if not os.path.lexists(path):
            return None
        try:
            return cls._open(path)
        except BadAudio:
            if os.path.lexists(path):
                raise
            return None  # taken away since

    @classmethod
    def _open(cls, path: str) -> GrowingWav | None:
        with recording(path) as checked:
            magic = checked.read(12)
            if len(magic) < 12:
                return None
            if magic[:4] not in (b"RIFF", b"RF64") or magic[8:] != b"WAVE":
                kind = next((name for start, name in FOREIGN.items() if magic.startswith(start)), "not audio")
                raise UnusableError(f"{kind}: begins with {magic[:4]!r}, expected WAV")
            pcm = None
            for name, size, offset in chunks(checked, 12):
                if name == b"fmt ":
                    pcm = _pcm_of(checked.read(min(size, 40)))
                elif name == b"data" and pcm is not None:
                    return cls(path, FileIO(os.dup(checked.fileno())), pcm, offset)
        return None

    def read(self, most: int) -> bytes | None:
        """Sound that has come since the last time, in whole blocks of at most so many bytes; None once it is cut."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._at:
            return None
        whole = min(self._end(size) - self._at, most) // self.pcm.block * self.pcm.block
        if whole <= 0:
            return b""
        self._file.seek(self._at)
        data = self._file.read(whole)
        data = data[: len(data) // self.pcm.block * self.pcm.block]
        self._at += len(data)
        return data

    def is_replaced(self) -> bool:
        """Whether its name no longer stands for this file."""
        try:
            there = os.stat(self.path)
        except OSError:
            return True
        return not os.path.samestat(there, os.fstat(self._file.fileno()))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _end(self, size: int) -> int:
        """Where its sound ends: with the file, unless nothing but chunks of notes follow what the header promises.

        Many recorders write the length last, and until then 0, all ones, or the length of what came first.
        """
        self._file.seek(self._begin - 4)
        (promised,) = struct.unpack("<I", self._file.read(4).ljust(4, b"\0"))
        end = self._begin + promised
        if promised in (0, STREAMED) or end >= size or not self._only_notes(end + promised % 2, size):
            return size
        return int(end)

    def _only_notes(self, start: int, end: int) -> bool:
        last = start
        for name, size, offset in islice(chunks(self._file, start), _NOTES):
            if not (name.isascii() and name.decode().isprintable()):
                return False
            last = offset + size
        return last in (end, end - 1)


def _pcm_of(form: bytes) -> PcmFormat:
    rate, channels, _, subtype = read_format(form)
    if subtype not in _SAMPLES:
        raise UnusableError(f"a growing WAV of {subtype} samples; expected {', '.join(_SAMPLES)}")
    return PcmFormat(rate, channels, _SAMPLES[subtype])
