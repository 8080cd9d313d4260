"""A WAV that somebody is still writing: its header may say nothing yet, too little, or far too much."""

from __future__ import annotations

import os
import struct
from io import FileIO
from itertools import islice

from asdkit.audio.headers import FOREIGN, STREAMED, UnusableError, chunks, read_format, recording
from asdkit.audio.pcm import PcmFormat
from asdkit.errors import BadAudio

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
