"""Read the header of a recording and check that the file contains what the header states.

libsndfile reads a truncated WAV without an error, and reads one whose recorder crashed as empty. Therefore the RIFF
chunks are parsed here.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from itertools import islice
from typing import Literal

from asdkit.errors import BadAudio
from asdkit.text import plural, printable

Container = Literal["aiff", "au", "caf", "mp3", "ogg"]
"""Formats besides WAV and FLAC that a spec may allow."""

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64

STREAMED = 0xFFFFFFFF
"""Size in the header of a recorder that streams: it cannot seek back to write the size."""

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

_CONTAINER_MAGIC: dict[bytes, Container] = {
    b"FORM": "aiff",
    b".snd": "au",
    b"caff": "caf",
    b"ID3": "mp3",
    b"\xff\xfb": "mp3",
    b"\xff\xf3": "mp3",
    b"\xff\xf2": "mp3",
    b"OggS": "ogg",
}
_OTHER_MAGIC = {b"RIFX": "a big-endian WAV (RIFX)", b"RIFF": "a RIFF file, but not a WAV"}
_CONTAINER_NAMES: dict[Container, str] = {
    "aiff": "an AIFF file",
    "au": "an AU file",
    "caf": "a CAF file",
    "mp3": "an MP3 file",
    "ogg": "an Ogg file",
}

_OPEN_ERRORS = {
    errno.ENOENT: "missing: there is no such file",
    errno.ENOTDIR: "missing: part of its path is not a folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "a symbolic link that leads back to itself",
    errno.ENAMETOOLONG: "its path is longer than the system allows",
}
_FILE_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class UnusableError(Exception):
    """Why an open recording cannot be used; `recording` converts it to a `BadAudio` with its path."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Header of a recording.

    Attributes
    ----------
    sample_rate
        Sample rate [Hz].
    channels
        Number of channels.
    samples
        Samples of one channel.
    subtype
        Sample format, as libsndfile names it: ``"PCM_16"``, ``"FLOAT"``, ...
    container
        ``"WAV"``, ``"RF64"``, ``"FLAC"``, or an allowed `Container` in upper case.
    streamed
        Whether the header leaves the length open (0xFFFFFFFF); then all data that follow are samples.
    data_offset
        Offset of the samples [bytes]; 0 except for WAV and RF64.
    """

    sample_rate: int
    channels: int
    samples: int
    subtype: str
    container: str
    streamed: bool = False
    data_offset: int = 0

    @property
    def seconds(self) -> float:
        """Duration [s]."""
        return self.samples / self.sample_rate


@contextmanager
def recording(path: str | os.PathLike[str]) -> Iterator[FileIO]:
    """Open a regular file; convert every error while it is open to a `BadAudio` with its path."""
    try:
        # Checked before opening, because opening a device can have effects; opened without blocking, because the file
        # may have been replaced by a pipe since.
        _require_regular(os.stat(path))
        with FileIO(path, "r", opener=_open_without_blocking) as file:
            yield file
    except UnusableError as error:
        raise BadAudio(printable(os.fspath(path)), str(error)) from None
    except OSError as error:
        raise BadAudio(printable(os.fspath(path)), _open_error(path, error)) from None


def read_header(file: FileIO) -> AudioInfo:
    """Read the header of an open WAV or FLAC file.

    Raises
    ------
    UnusableError
        If the file cannot be used.
    """
    status = os.fstat(file.fileno())
    _require_regular(status)
    if status.st_size == 0:
        raise UnusableError("empty: 0 bytes")
    magic = file.read(12)
    if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
        return _read_wav_header(file, status.st_size, "WAV" if magic[:4] == b"RIFF" else "RF64")
    if magic[:4] == b"fLaC":
        return _read_flac_header(file, magic, status.st_size)
    raise UnusableError(f"{describe_magic(magic)}, expected WAV or FLAC")


def container_of(magic: bytes) -> Container | None:
    """Return the container that begins with these bytes, other than WAV and FLAC."""
    return next((name for begin, name in _CONTAINER_MAGIC.items() if magic.startswith(begin)), None)


def describe_magic(magic: bytes) -> str:
    """Return what a file is that begins with these bytes and is not the expected format."""
    container = container_of(magic)
    if container is not None:
        kind = _CONTAINER_NAMES[container]
    else:
        kind = next((name for begin, name in _OTHER_MAGIC.items() if magic.startswith(begin)), "not audio")
    return f"{kind}: begins with {magic[:4]!r}"


def require_plausible(sample_rate: int, channels: int) -> None:
    """Refuse sample rates and numbers of channels that no recorder writes."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise UnusableError(f"absurd header: sample rate of {sample_rate} Hz, expected {MIN_RATE} to {MAX_RATE}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnusableError(f"absurd header: {plural(channels, 'channel')}, expected 1 to {MAX_CHANNELS}")


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
    require_plausible(rate, channels)
    width, rest = divmod(block, channels)
    if (subtype := _SUBTYPES.get((tag, width))) is None:
        if tag not in (1, 3, 6, 7):
            raise UnusableError(f"compressed or unknown WAV format 0x{tag:04x}; convert it to PCM or FLAC")
        raise UnusableError(f"damaged header: {block} bytes for {plural(channels, 'channel')} of {bits} bits")
    if rest or not 8 * (width - 1) < bits <= 8 * width:
        raise UnusableError(f"damaged header: {block} bytes for {plural(channels, 'channel')} of {bits} bits")
    return rate, channels, block, subtype


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _FILE_KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise UnusableError(f"not a regular file but {kind}")


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _open_error(path: str | os.PathLike[str], error: OSError) -> str:
    if error.errno == errno.ENOENT and os.path.islink(path):
        return f"a symbolic link to a file that does not exist: {printable(os.readlink(path))}"
    return _OPEN_ERRORS.get(error.errno or 0, f"cannot be read: {error.strerror or error}")


def _read_wav_header(file: FileIO, file_size: int, container: str) -> AudioInfo:
    """Parse the chunks up to the samples (Microsoft RIFF 1991; RF64: EBU Tech 3306)."""
    form: tuple[int, int, int, str] | None = None
    long_size: int | None = None
    for name, size, offset in chunks(file, 12):
        if name == b"fmt ":
            form = read_format(file.read(min(size, 40)))
        elif name == b"ds64" and container == "RF64":
            long_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        elif name == b"data":
            if form is None:
                raise UnusableError("damaged header: the samples come before the description of their format")
            rate, channels, block, subtype = form
            stated = long_size if long_size is not None and size == STREAMED else size
            data_bytes = _data_bytes(file, offset, stated, file_size - offset, rate * block)
            if data_bytes < block:
                raise UnusableError("a header without samples")
            return AudioInfo(rate, channels, data_bytes // block, subtype, container, stated == STREAMED, offset)
    raise UnusableError("a header without samples: it has no data chunk")


def _data_bytes(file: FileIO, offset: int, stated: int, available: int, bytes_per_second: int) -> int:
    """Return the size of the samples [bytes]; refuse a file with fewer than its data chunk states."""
    if stated == STREAMED:
        return available
    if stated == 0 and available > 0 and not contains_only_notes(file, offset, offset + available):
        raise UnusableError(
            f"a header without samples though {available} bytes follow: the recorder probably crashed before it "
            "could write the length"
        )
    if stated > available == 0:
        raise UnusableError(f"a header without samples: it states {stated / bytes_per_second:.2f} s, nothing follows")
    if stated > available:
        raise UnusableError(
            f"cut short: its header states {stated / bytes_per_second:.2f} s, "
            f"the file contains {available / bytes_per_second:.2f} s"
        )
    return stated


def _read_flac_header(file: FileIO, magic: bytes, file_size: int) -> AudioInfo:
    """Parse the STREAMINFO block that every FLAC file begins with (RFC 9639, section 8.2)."""
    block = (magic + file.read(30))[8:]
    if len(block) < 34:
        raise UnusableError(f"cut short: {file_size} bytes of a FLAC header")
    if magic[4:8] not in (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22"):  # 34 bytes, last header block or not
        raise UnusableError("damaged header: a FLAC file without a description of its format")
    packed = int.from_bytes(block[10:18], "big")  # 20 bits rate, 3 channels - 1, 5 bits per sample - 1, 36 samples
    rate, channels = packed >> 44, (packed >> 41 & 0x7) + 1
    bits, samples = (packed >> 36 & 0x1F) + 1, packed & 0xFFFFFFFFF
    require_plausible(rate, channels)
    if samples == 0:
        raise UnusableError("a FLAC header without a length: streamed, or the recorder crashed; encode it again")
    # A frame contains at most 65,535 samples and has at least 10 bytes.
    if samples > file_size // 10 * 65_535:
        raise UnusableError(
            f"cut short: its header states {samples / rate:.0f} s, more than {file_size} bytes can contain"
        )
    return AudioInfo(rate, channels, samples, f"PCM_{bits}", "FLAC")
