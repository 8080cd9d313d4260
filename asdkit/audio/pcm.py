"""Samples from a stream of bytes: a pipe, a device, or a WAV file that is still being written."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from io import FileIO
from typing import Final

import numpy as np

from asdkit.audio.channels import Channel, Mixdown, Wave
from asdkit.audio.headers import UnusableError, describe_magic, recording
from asdkit.audio.sample_formats import DECODERS, WIDTHS
from asdkit.audio.wav import chunks, contains_only_notes, is_wav, leaves_length_open, read_format
from asdkit.errors import BadAudio

_FORMATS: Final = {
    "PCM_U8": "u8",
    "PCM_16": "s16le",
    "PCM_24": "s24le",
    "PCM_24_PADDED": "s24_32le",
    "PCM_32": "s32le",
    "FLOAT": "f32le",
    "DOUBLE": "f64le",
}


@dataclass(frozen=True)
class PcmFormat:
    """Format of a stream of samples.

    Attributes
    ----------
    sample_rate
        Sample rate [Hz].
    channels
        Number of channels, interleaved.
    samples
        Sample format, a key of `WIDTHS`.
    """

    sample_rate: int
    channels: int = 1
    samples: str = "s16le"

    @property
    def block(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * WIDTHS[self.samples]

    def decode(self, data: bytes, channel: Channel) -> Wave:
        """Decode one channel of whole blocks [int16 or float32, ``[samples]``], as `asdkit.audio.read` does."""
        return self.mix(data, channel)[0]

    def mix(self, data: bytes, channel: Channel) -> tuple[Wave, bool]:
        """Decode as `decode` does, and tell whether the channels cancel in their mean."""
        mixdown = Mixdown(self.channels, channel)
        wave = mixdown.mix(DECODERS[self.samples](data).reshape(-1, self.channels))
        return wave, mixdown.cancels


class GrowingWav:
    """An open WAV file whose samples are read while it is being written.

    Its header may state no length yet, one that is too small, or one that is too large.

    Attributes
    ----------
    pcm
        Format of its samples.
    """

    def __init__(self, path: str, file: FileIO, pcm: PcmFormat, data_offset: int) -> None:
        self.path, self.pcm = path, pcm
        self._file, self._begin, self._position = file, data_offset, data_offset
        self._is_padded = pcm.samples == "s24_32le"

    @classmethod
    def open(cls, path: str) -> GrowingWav | None:
        """Open a WAV; return None if the file does not exist or its header is not complete yet.

        Raises
        ------
        BadAudio
            If it is not a WAV, or has samples of an unsupported format.
        """
        if not os.path.lexists(path):
            return None
        try:
            return cls._open(path)
        except BadAudio:
            if os.path.lexists(path):
                raise
            return None  # removed in the meantime

    @classmethod
    def _open(cls, path: str) -> GrowingWav | None:
        with recording(path) as checked:
            magic = checked.read(12)
            if len(magic) < 12:
                return None
            if not is_wav(magic):
                raise UnusableError(f"{describe_magic(magic)}, expected WAV")
            pcm = None
            for name, size, offset in chunks(checked, 12):
                if name == b"fmt ":
                    pcm = pcm_format(checked.read(min(size, 40)))
                elif name == b"data" and pcm is not None:
                    return cls(path, FileIO(os.dup(checked.fileno())), pcm, offset)
        return None

    def read(self, most: int) -> bytes | None:
        """Return new samples, in whole blocks of at most `most` bytes; None if the file has been truncated."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._position:
            return None
        whole = min(self._end(size) - self._position, most) // self.pcm.block * self.pcm.block
        if whole <= 0:
            return b""
        self._file.seek(self._position)
        data = self._file.read(whole)
        data = data[: len(data) // self.pcm.block * self.pcm.block]
        self._position += len(data)
        if self._is_padded and data:
            name = padded_format(data)
            self.pcm, self._is_padded = replace(self.pcm, samples=name or "s32le"), not name
        return data

    def is_replaced(self) -> bool:
        """Return whether the path no longer refers to this file."""
        try:
            current = os.stat(self.path)
        except OSError:
            return True
        return not os.path.samestat(current, os.fstat(self._file.fileno()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _end(self, size: int) -> int:
        """Return where the samples end: at the end of the file, unless only chunks of notes follow the stated length.

        Many recorders write the length last. Until then it is 0, all ones, or the length of the first part.
        """
        self._file.seek(self._begin - 4)
        (stated,) = struct.unpack("<I", self._file.read(4).ljust(4, b"\0"))
        end = self._begin + stated
        if (
            stated == 0
            or leaves_length_open(stated)
            or end >= size
            or not contains_only_notes(self._file, end + stated % 2, size)
        ):
            return size
        return int(end)


def pcm_format(chunk: bytes) -> PcmFormat:
    """Return the format of the samples that a format chunk of a WAV describes.

    Raises
    ------
    UnusableError
        If the chunk is damaged, or such samples are not supported.
    """
    rate, channels, _, subtype = read_format(chunk)
    if subtype not in _FORMATS:
        raise UnusableError(f"a WAV of {subtype} samples; a stream may have {', '.join(_FORMATS)}")
    return PcmFormat(rate, channels, _FORMATS[subtype])


def padded_format(data: bytes) -> str:
    """Return the sample format of 24 bits in 4 bytes: in the low 3, as ALSA writes them, or the high 3.

    In the low 3, each high byte repeats the sign, and not each low byte is 0. Empty if the samples do not tell.
    """
    quads = np.frombuffer(data, np.uint8).reshape(-1, 4)
    if not np.isin(quads[:, 3], (0, 255)).all():
        return "s32le"
    return "s24_32le" if quads[:, 0].any() else ""
