"""What a recording's header says, and whether the file keeps what its header promises.

libsndfile reads a WAV that was cut short without a word and calls one whose recorder crashed empty, so the RIFF
chunks are walked here.
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

from asdkit.errors import BadAudio
from asdkit.text import printable

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MAX_CHUNKS = 10_000  # a hostile file could hold half a billion empty ones

STREAMED = 0xFFFFFFFF  # written by recorders that cannot go back to fill in the size
EXTENSIBLE = 0xFFFE

# (format tag, bytes a sample) -> libsndfile's name of the sample format.
SUBTYPES = {
    (1, 1): "PCM_U8",
    (1, 2): "PCM_16",
    (1, 3): "PCM_24",
    (1, 4): "PCM_32",
    (3, 4): "FLOAT",
    (3, 8): "DOUBLE",
    (6, 1): "ALAW",
    (7, 1): "ULAW",
}

# First bytes of formats that people give the wrong suffix.
FOREIGN = {
    b"RIFX": "a big-endian WAV (RIFX)",
    b"FORM": "an AIFF file",
    b"OggS": "an Ogg file",
    b"ID3": "an MP3 file",
    b"\xff\xfb": "an MP3 file",
    b"caff": "a CAF file",
    b".snd": "an AU file",
    b"RIFF": "a RIFF file, but not a WAV",
}

# How the system's refusals read in a list of bad files.
REFUSALS = {
    errno.ENOENT: "missing: there is no such file",
    errno.ENOTDIR: "missing: part of its path is not a folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "a symbolic link that leads back to itself",
    errno.ENAMETOOLONG: "its path is longer than the system allows",
}

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class UnusableError(Exception):
    """Why the recording at hand cannot be used; becomes a `BadAudio` where its path is known."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording's header says.

    Attributes
    ----------
    sample_rate
        Samples a second [Hz].
    channels
        Number of channels.
    samples
        Samples of one channel.
    subtype
        Sample format, as libsndfile names it: ``"PCM_16"``, ``"FLOAT"``, ...
    container
        ``"WAV"``, ``"RF64"``, ``"FLAC"``, or one that was asked for.
    streamed
        Whether the header leaves the length open (0xFFFFFFFF): all that follows is sound.
    data_offset
        Where the samples begin [bytes]; 0 but for WAV and RF64.
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
    """Open a regular file; whatever makes it unusable while it is open is a `BadAudio` that names it."""
    try:
        # Looked at before it is opened, because opening a device can do things; opened without waiting, because it
        # may have become a pipe since.
        _require_regular(os.stat(path))
        with FileIO(path, "r", opener=_open_without_waiting) as file:
            yield file
    except UnusableError as fault:
        raise BadAudio(printable(os.fspath(path)), str(fault)) from None
    except OSError as error:
        raise BadAudio(printable(os.fspath(path)), _refusal(path, error)) from None


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError(f"not a regular file but {KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refusal(path: str | os.PathLike[str], error: OSError) -> str:
    if error.errno == errno.ENOENT and os.path.islink(path):
        return f"a symbolic link to a file that is not there: {printable(os.readlink(path))}"
    return REFUSALS.get(error.errno or 0, f"cannot be read: {error.strerror or error}")


def read_header(file: FileIO) -> AudioInfo:
    """Read the header of an open file.

    Raises
    ------
    UnusableError
        With the reason.
    """
    status = os.fstat(file.fileno())
    _require_regular(status)
    if status.st_size == 0:
        raise UnusableError("empty: 0 bytes")
    magic = file.read(12)
    if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
        info = _read_wav_header(file, status.st_size, "WAV" if magic[:4] == b"RIFF" else "RF64")
    elif magic[:4] == b"fLaC":
        info = _read_flac_header(file, magic, status.st_size)
    else:
        kind = next((name for start, name in FOREIGN.items() if magic.startswith(start)), "not audio")
        raise UnusableError(f"{kind}: begins with {magic[:4]!r}, expected WAV or FLAC")
    return info


def require_sane(sample_rate: int, channels: int) -> None:
    """Refuse rates and numbers of channels that no recorder writes."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise UnusableError(f"absurd header: sample rate of {sample_rate} Hz, expected {MIN_RATE} to {MAX_RATE}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnusableError(f"absurd header: {channels} channels, expected 1 to {MAX_CHANNELS}")


def chunks(file: FileIO, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, promised size and offset of each RIFF chunk from `start` on."""
    for _ in range(MAX_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack("<4sI", head)
        yield name, size, start + 8
        start += 8 + size + size % 2  # chunks are padded to even lengths


def _read_wav_header(file: FileIO, file_size: int, container: str) -> AudioInfo:
    """Walk the chunks up to the samples (Microsoft RIFF 1991; RF64: EBU Tech 3306)."""
    form: tuple[int, int, int, str] | None = None
    long_size: int | None = None
    for name, size, offset in chunks(file, 12):
        if name == b"fmt ":
            form = read_format(file.read(min(size, 40)))
        elif name == b"ds64" and container == "RF64":
            long_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        elif name == b"data":
            if form is None:
                raise UnusableError("damaged header: the sound comes before any description of its format")
            rate, channels, block, subtype = form
            promised = long_size if long_size is not None and size == STREAMED else size
            held = _held_bytes(file, offset, promised, file_size - offset, rate * block)
            if held < block:
                raise UnusableError("a header without samples")
            return AudioInfo(rate, channels, held // block, subtype, container, promised == STREAMED, offset)
    raise UnusableError("a header without samples: it has no data chunk")


def read_format(chunk: bytes) -> tuple[int, int, int, str]:
    """Sample rate, channels, bytes a frame of all channels, and sample format."""
    if len(chunk) < 16:
        raise UnusableError("damaged header: its format chunk is cut short")
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack("<H", chunk[24:26])  # the first two bytes of the GUID are the tag of old
    require_sane(rate, channels)
    width, rest = divmod(block, channels)
    if (subtype := SUBTYPES.get((tag, width))) is None:
        if tag not in (1, 3, 6, 7):
            raise UnusableError(f"compressed or unknown WAV format 0x{tag:04x}; convert it to PCM or FLAC")
        raise UnusableError(f"damaged header: {block} bytes for {channels} channels of {bits} bits")
    if rest or not 8 * (width - 1) < bits <= 8 * width:
        raise UnusableError(f"damaged header: {block} bytes for {channels} channels of {bits} bits")
    return rate, channels, block, subtype


def _held_bytes(file: FileIO, offset: int, promised: int, available: int, bytes_per_second: int) -> int:
    """Bytes of sound that the file holds, where that is what its data chunk promises."""
    if promised == STREAMED:
        return available
    if promised == 0 and available > 0 and not _only_chunks(file, offset, offset + available):
        raise UnusableError(
            f"a header without samples though {available} bytes follow: the recorder probably crashed before it "
            "could write the length"
        )
    if promised > available == 0:
        raise UnusableError(
            f"a header without samples: it promises {promised / bytes_per_second:.2f} s, nothing follows"
        )
    if promised > available:
        raise UnusableError(
            f"cut short: its header promises {promised / bytes_per_second:.2f} s, "
            f"the file holds {available / bytes_per_second:.2f} s"
        )
    return promised


def _only_chunks(file: FileIO, start: int, end: int) -> bool:
    """Whether chunks of notes, and no sound, fill the file from `start` to `end`."""
    last = start
    for _, size, offset in chunks(file, start):
        last = offset + size
    return last in (end, end - 1)


def _read_flac_header(file: FileIO, magic: bytes, file_size: int) -> AudioInfo:
    """Read the STREAMINFO block that every FLAC file begins with (RFC 9639, section 8.2)."""
    block = (magic + file.read(30))[8:]
    if len(block) < 34:
        raise UnusableError(f"cut short: {file_size} bytes of a FLAC header")
    if magic[4:8] not in (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22"):  # the last block of the header or not, 34 bytes
        raise UnusableError("damaged header: a FLAC file without a description of its format")
    packed = int.from_bytes(block[10:18], "big")  # 20 bits rate, 3 channels - 1, 5 bits a sample - 1, 36 samples
    rate, channels = packed >> 44, (packed >> 41 & 0x7) + 1
    bits, samples = (packed >> 36 & 0x1F) + 1, packed & 0xFFFFFFFFF
    require_sane(rate, channels)
    if samples == 0:
        raise UnusableError("a FLAC header without a length: streamed, or the recorder crashed; encode it again")
    # A frame holds at most 65,535 samples and is never shorter than 10 bytes.
    if samples > file_size // 10 * 65_535:
        raise UnusableError(
            f"cut short: its header promises {samples / rate:.0f} s, more than {file_size} bytes can hold"
        )
    return AudioInfo(rate, channels, samples, f"PCM_{bits}", "FLAC")
