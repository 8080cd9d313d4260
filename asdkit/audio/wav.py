"""Read the header of a WAV: RIFF, RF64 or BW64.

libsndfile reads a truncated WAV without an error, and reads one whose recorder crashed as empty. Therefore the RIFF
chunks are parsed here. A stated length that lies beyond the end of the file means one of three things:

- the header leaves the length open: a recorder that cannot seek back writes the largest size that a header can hold,
  0xFFFFFFFF, 0x80000000, 0x7FFFF000 or a number near these;
- the header counts itself: it states the size of the file or of the RIFF chunk as that of the samples;
- the file was cut short.

In the first two cases all that follows the header are samples, and `AudioInfo.note` says so.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from io import FileIO
from itertools import islice

from asdkit.audio.headers import LENGTH_OPEN, AudioInfo, UnusableError, require_supported
from asdkit.text import plural

MAGIC = (b"RIFF", b"RF64", b"BW64")

COUNTS_ITSELF = "its header counts itself as samples; it was read to its end"
"""Note on a recording whose header states the size of the whole file."""

_STREAMED = 0xFFFFFFFF
_OPEN_MARGIN = 1 << 16  # bytes below the largest size that a writer leaves for its header and for whole samples
_MAX_CHUNKS = 10_000  # a malicious file could contain half a billion empty ones
_MAX_NOTES = 100  # chunks after the samples
_EXTENSIBLE = 0xFFFE

# (format tag, bytes per sample) -> libsndfile's name of the sample format.
_SUBTYPES = {
    (1, 1): "PCM_U8",
    (1, 2): "PCM_16",
    (1, 3): "PCM_24",
    (1, 4): "PCM_32",
    (3, 4): "FLOAT",
    (3, 8): "DOUBLE",
    (6, 1): "ALAW",
    (7, 1): "ULAW",
}


def is_wav(magic: bytes) -> bool:
    """Return whether a file that begins with these 12 bytes is a WAV."""
    return magic[:4] in MAGIC and magic[8:12] == b"WAVE"


def read_wav_header(file: FileIO, magic: bytes) -> AudioInfo:
    """Parse the chunks up to the samples (Microsoft RIFF 1991; RF64: EBU Tech 3306; BW64: ITU-R BS.2088).

    Parameters
    ----------
    file
        The open file.
    magic
        Its first 12 bytes, for which `is_wav` is true.

    Raises
    ------
    UnusableError
        If the file cannot be used.
    """
    container = "WAV" if magic[:4] == b"RIFF" else magic[:4].decode()
    form: tuple[int, int, int, str] | None = None
    long_size: int | None = None
    for name, size, offset in chunks(file, 12):
        if name == b"fmt ":
            form = read_format(file.read(min(size, 40)))
        elif name == b"ds64" and container != "WAV":
            long_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        elif name == b"data":
            if form is None:
                raise UnusableError("damaged header: the samples come before the description of their format")
            rate, channels, block, subtype = form
            if long_size and size not in (_STREAMED, long_size):
                raise UnusableError(f"damaged header: it states both {size} and {long_size} bytes of samples")
            stated = long_size if long_size is not None and size == _STREAMED else size
            data_bytes, note = _data_bytes(file, offset, stated, block, rate)
            if data_bytes < block:
                raise UnusableError("a header without samples")
            return AudioInfo(rate, channels, data_bytes // block, subtype, container, offset, note)
    raise UnusableError("a header without samples: it has no data chunk")


def chunks(file: FileIO, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the stated size and the offset of each RIFF chunk from `start` on."""
    for _ in range(_MAX_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack("<4sI", head)
        yield name, size, start + 8
        start += 8 + size + size % 2  # chunks are padded to even lengths


def contains_only_notes(file: FileIO, start: int, end: int) -> bool:
    """Return whether chunks with printable names, and no samples, fill the file from `start` to `end`."""
    last = start
    for name, size, offset in islice(chunks(file, start), _MAX_NOTES):
        if not (name.isascii() and name.decode().isprintable()):
            return False
        last = offset + size
    return last in (end, end - 1)


def read_format(chunk: bytes) -> tuple[int, int, int, str]:
    """Parse a format chunk: sample rate, channels, bytes of one sample of all channels, and sample format."""
    if len(chunk) < 16:
        raise UnusableError("damaged header: its format chunk is cut short")
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack("<H", chunk[24:26])  # the first two bytes of the GUID are the format tag
    require_supported(rate, channels)
    width, rest = divmod(block, channels)
    subtype = _SUBTYPES.get((tag, width))
    if (tag, width, bits) == (1, 4, 24):
        subtype = "PCM_24_PADDED"
    elif subtype is None and tag not in (1, 3, 6, 7):
        raise UnusableError(f"compressed or unknown WAV format 0x{tag:04x}; convert it to PCM or FLAC")
    elif rest or not 8 * (width - 1) < bits <= 8 * width:
        subtype = None
    if subtype is None or rest:
        raise UnusableError(f"damaged header: {block} bytes for {plural(channels, 'channel')} of {bits} bits")
    return rate, channels, block, subtype


def leaves_length_open(stated: int) -> bool:
    """Return whether a size stands for a length that its writer did not know: near the limits of 31, 32 and 64 bits."""
    return abs(stated - 2**31) <= _OPEN_MARGIN or 2**32 - _OPEN_MARGIN <= stated < 2**32 or stated >= 2**62


def _data_bytes(file: FileIO, offset: int, stated: int, block: int, rate: int) -> tuple[int, str]:
    """Return the size of the samples [bytes], and a note; refuse a file with fewer than its data chunk states."""
    file_size = os.fstat(file.fileno()).st_size
    available = file_size - offset
    if stated == 0 and available > 0 and not contains_only_notes(file, offset, file_size):
        raise UnusableError(
            f"a header without samples though {available} bytes follow: the recorder probably crashed before it "
            "could write the length, or wrote to a pipe"
        )
    if stated <= available:
        return stated, ""
    if available <= 0:
        what = "leaves their length open" if leaves_length_open(stated) else f"states {stated / (rate * block):.2f} s"
        raise UnusableError(f"a header without samples: it {what}, nothing follows")
    if leaves_length_open(stated):
        return available, LENGTH_OPEN
    if stated in (file_size, file_size - 8):
        return available, COUNTS_ITSELF
    lengths = [(f"{size / (rate * block):.2f} s", f"{size // block} samples") for size in (stated, available)]
    lengths.append((f"{stated} bytes of samples", f"{available}"))
    seconds, samples = zip(*lengths[:2], strict=True)
    said = next((pair for pair in (seconds, samples) if pair[0] != pair[1]), lengths[2])
    raise UnusableError(f"cut short: its header states {said[0]}, the file contains {said[1]}")
