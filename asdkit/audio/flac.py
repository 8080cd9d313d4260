"""Read the header of a FLAC file (RFC 9639), with an ID3v2 tag before it, and where it leaves the length open.

An encoder that writes to a pipe states no length, and one that writes segments states that of all of them in the last.
The length follows from the headers of the first and the last frame; the last one must end with the file, or the file
was cut short.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO, RawIOBase
from typing import Any

from asdkit.audio.headers import LENGTH_OPEN, AudioInfo, UnusableError, require_supported

MAGIC = b"fLaC"

_MAX_FRAME = 1 << 22  # bytes: more than 65,535 samples of 8 channels of 32 bits need
_MAX_FRAME_HEADER = 16
_MAX_SUMMED = 1 << 23  # bytes to compute checksums of: a malicious file could hold a million headers of frames
_MAX_BLOCKS = 1000  # blocks of metadata
_ID3V1 = 128  # bytes at the end of a file
_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}


def flac_offset(file: FileIO) -> int | None:
    """Return where FLAC begins: at the start, or behind an ID3v2 tag; None if the file is no FLAC."""
    file.seek(0)
    head = file.read(10)
    offset = 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:10]:  # 7 bits a byte
            size = size << 7 | byte & 0x7F
        offset = 10 + size + (10 if head[5] & 0x10 else 0)
    file.seek(offset)
    return offset if file.read(4) == MAGIC else None


def read_flac_header(file: FileIO, offset: int) -> AudioInfo:
    """Parse the STREAMINFO block that FLAC begins with (section 8.2).

    Raises
    ------
    UnusableError
        If the file cannot be used.
    """
    file_size = os.fstat(file.fileno()).st_size - offset
    file.seek(offset)
    head = file.read(42)
    if len(head) < 42:
        raise UnusableError(f"cut short: {file_size} bytes of a FLAC header")
    if head[4:8] not in (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22"):  # 34 bytes, last header block or not
        raise UnusableError("damaged header: a FLAC file without a description of its format")
    packed = int.from_bytes(head[18:26], "big")  # 20 bits rate, 3 channels - 1, 5 bits per sample - 1, 36 samples
    rate, channels = packed >> 44, (packed >> 41 & 0x7) + 1
    bits, samples = (packed >> 36 & 0x1F) + 1, packed & 0xFFFFFFFFF
    require_supported(rate, channels)
    note = ""
    block_size = int.from_bytes(head[8:10], "big")
    first_at = _first_frame_offset(file, offset)
    file.seek(first_at)
    first = _parse_frame(file.read(_MAX_FRAME_HEADER), block_size)
    if samples == 0 or (first is not None and first.first > 0):
        samples, note = _samples_of_frames(file, first, first_at, block_size), LENGTH_OPEN
    # A frame contains at most 65,535 samples and has at least 10 bytes.
    if samples > file_size // 10 * 65_535:
        raise UnusableError(
            f"cut short: its header states {samples / rate:.0f} s, more than {file_size} bytes can contain"
        )
    return AudioInfo(rate, channels, samples, f"PCM_{bits}", "FLAC", offset, note)


class StatedFlac(RawIOBase):
    """A FLAC file whose header does not state its length, read as if it did, which libsndfile needs."""

    def __init__(self, file: FileIO, info: AudioInfo) -> None:
        self._file, self._begin = file, info.data_offset + 21
        file.seek(self._begin)
        first = file.read(1)[0]  # half of it holds the bits of a sample
        self._patch = bytes([first & 0xF0 | info.samples >> 32]) + (info.samples & 0xFFFFFFFF).to_bytes(4, "big")
        file.seek(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset of the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset in the file."""
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        """Read bytes of the file, the length in place of the zeros."""
        position = self._file.tell()
        count = self._file.readinto(buffer) or 0
        for place, byte in enumerate(self._patch, self._begin - position):
            if 0 <= place < count:
                buffer[place : place + 1] = bytes([byte])
        return count


@dataclass(frozen=True)
class _Frame:
    """Header of a frame: its first sample, and how many there are."""

    first: int
    samples: int


def _samples_of_frames(file: FileIO, first: _Frame | None, first_at: int, block_size: int) -> int:
    """Return the number of samples from the first frame, at an offset, to the last.

    Raises
    ------
    UnusableError
        If there is no frame, or the last one does not end with the file.
    """
    file_size = os.fstat(file.fileno()).st_size
    file.seek(max(0, file_size - _ID3V1))
    if file_size >= _ID3V1 and file.read(3) == b"TAG":
        file_size -= _ID3V1
    if first is None:
        raise UnusableError("a FLAC header without samples" if first_at >= file_size else "damaged: no frame of FLAC")
    begin = max(first_at, file_size - _MAX_FRAME)
    file.seek(begin)
    last = _last_frame(file.read(file_size - begin), block_size)
    if last is None or last.first < first.first:
        raise UnusableError("cut short: its header states no length, and it ends within a frame")
    return last.first + last.samples - first.first


def _first_frame_offset(file: FileIO, offset: int) -> int:
    """Return where the blocks of metadata end."""
    offset += 4
    for _ in range(_MAX_BLOCKS):
        file.seek(offset)
        head = file.read(4)
        offset += 4 + int.from_bytes(head[1:], "big")
        if len(head) < 4 or head[0] & 0x80:
            break
    return offset


def _last_frame(data: bytes, block_size: int) -> _Frame | None:
    """Find the frame that ends with the data, by its checksums."""
    end, summed = len(data), 0
    while summed < _MAX_SUMMED and (start := data.rfind(b"\xff", 0, end)) >= 0:
        end = start
        frame = _parse_frame(data[start : start + _MAX_FRAME_HEADER], block_size)
        if frame is None:
            continue
        summed += len(data) - start
        if _crc(data[start:-2], 0x8005, 16) == int.from_bytes(data[-2:], "big"):
            return frame
    return None


def _parse_frame(head: bytes, block_size: int) -> _Frame | None:
    """Parse the header of a frame (section 9.1); None if there is none."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    length = next((n for n in range(8) if not head[4] & 0x80 >> n), 8)  # bytes of the number, as UTF-8 has it
    size_code, rate_code = head[2] >> 4, head[2] & 15
    at = 4 + max(1, length)
    extra = {6: 1, 7: 2}.get(size_code, 0)
    crc_at = at + extra + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if length in (1, 8) or len(head) <= crc_at or _crc(head[:crc_at], 0x07, 8) != head[crc_at]:
        return None
    number = head[4] & (0x7F if length == 0 else 0x7F >> length)
    for byte in head[5:at]:
        number = number << 6 | byte & 0x3F
    samples = int.from_bytes(head[at : at + extra], "big") + 1 if extra else _SIZES.get(size_code, 0)
    return _Frame(number if head[1] & 1 else number * block_size, samples)


@lru_cache
def _crc_table(polynomial: int, bits: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value << bits - 8
        for _ in range(8):
            crc = (crc << 1 & (1 << bits) - 1) ^ (polynomial if crc >> bits - 1 else 0)
        table.append(crc)
    return tuple(table)


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    """Return the checksum of a header (8 bits) or a frame (16 bits)."""
    table, crc, mask = _crc_table(polynomial, bits), 0, (1 << bits) - 1
    for byte in data:
        crc = (crc << 8 & mask) ^ table[crc >> bits - 8 ^ byte]
    return crc
