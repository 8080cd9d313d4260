"""Cut a stream of bytes, bare or with WAV headers, into whole samples of a known format."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from asdkit.audio.pcm import PcmFormat, padded_format
from asdkit.audio.stream_header import read_stream_start
from asdkit.audio.wav import is_wav

_NOTES: Final = (
    b"LIST", b"INFO", b"id3 ", b"ID3 ", b"bext", b"iXML", b"aXML", b"axml", b"_PMX", b"cue ", b"plst", b"adtl", b"smpl",
    b"inst", b"fact", b"PEAK", b"JUNK", b"junk", b"FLLR", b"PAD ", b"cart", b"chna", b"afsp", b"DISP", b"levl", b"umid",
    b"dbmd", b"link", b"labl", b"note", b"ltxt", b"acid", b"slnt", b"regn", b"minf", b"elm1",
)  # fmt: skip
"""Chunks of a WAV that may follow its samples."""


class PcmStream:
    """Cuts bytes into samples.

    A WAV header at the begin gives the format. Behind as many samples as it states, chunks of notes are skipped, and
    another WAV may begin; any other bytes are samples, because some recorders state the length of their first part.

    Parameters
    ----------
    bare
        Format of samples without a header.

    Attributes
    ----------
    pcm
        Format of the samples that `add` yields next.
    """

    def __init__(self, bare: PcmFormat) -> None:
        self._bare = self.pcm = bare
        self._buffer = b""
        self._started = self._is_padded = self._is_odd = False
        self._left: int | None = None  # bytes of samples until the length that a header states
        self._skipped = 0  # bytes of notes still to skip

    def restart(self) -> int:
        """Expect a new begin, as of another writer; return the number of bytes that are dropped."""
        dropped = len(self._buffer)
        self._reset(b"")
        return dropped

    def add(self, data: bytes, *, complete: bool = False) -> Iterator[PcmFormat | bytes]:
        """Add bytes; yield each format that a header states, and the samples that are complete.

        Parameters
        ----------
        data
            The next bytes.
        complete
            Whether they are the last: then no header becomes complete any more.

        Raises
        ------
        UnusableError
            If another format begins, or a WAV with samples that are not supported.
        """
        self._buffer += data
        while self._buffer:
            if not self._started:
                if (start := read_stream_start(self._buffer, complete=complete)) is None:
                    return
                self._buffer = self._buffer[start.offset :]
                self._started, self._left, self.pcm = True, start.length, start.pcm or self._bare
                self._is_padded = start.pcm is not None and start.pcm.samples == "s24_32le"
                self._is_odd = bool((start.length or 0) % 2)
                if start.pcm is not None:
                    yield start.pcm
            if samples := self._take_samples():
                yield samples
            if self._left is None or self._left >= self.pcm.block or not self._skip_notes():
                return

    def _reset(self, rest: bytes) -> None:
        """Expect a begin, of which there may be some bytes already."""
        self._buffer, self._left, self._skipped = rest, None, 0
        self._started = self._is_padded = self._is_odd = False

    def _take_samples(self) -> bytes:
        available = len(self._buffer) if self._left is None else min(len(self._buffer), self._left)
        end = available - available % self.pcm.block
        samples, self._buffer = self._buffer[:end], self._buffer[end:]
        if self._left is not None:
            self._left -= end
        if self._is_padded and samples:
            name = padded_format(samples)
            self.pcm, self._is_padded = replace(self.pcm, samples=name or "s32le"), not name
        return samples

    def _skip_notes(self) -> bool:
        """Handle bytes behind the stated samples; return whether there is more to do with those that are there."""
        if self._skipped:
            step = min(self._skipped, len(self._buffer))
            self._buffer, self._skipped = self._buffer[step:], self._skipped - step
            return bool(self._buffer)
        pad = (self._left or 0) + self._is_odd
        head = self._buffer[pad : pad + 12]
        if len(head) < 12:
            return False
        if is_wav(head):
            self._reset(self._buffer[pad:])
        elif head[:4] in _NOTES:
            (size,) = struct.unpack_from("<I", head, 4)
            self._buffer = self._buffer[pad:]
            self._left, self._is_odd, self._skipped = 0, False, 8 + size + size % 2
        else:
            self._left = None
        return True
