"""What a recording's header says, and why a recording cannot be used."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from typing import Literal

from asdkit.errors import BadAudio
from asdkit.text import plural, printable

Container = Literal["aiff", "au", "caf", "mp3", "ogg"]
"""Formats besides WAV and FLAC that a spec may allow."""

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64

LENGTH_OPEN = "its header states no length; it was read to its end, and nothing tells whether it was cut short"
"""Note on a recording whose writer could not seek back to write the length."""

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
_OTHER_MAGIC = {
    b"RIFX": "a big-endian WAV (RIFX)",
    b"RIFF": "a RIFF file, but not a WAV",
    b"riff": "a Wave64 file",
}
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
        Sample format, as libsndfile names it: ``"PCM_16"``, ``"FLOAT"``, ...; 24 bits in 4 bytes: ``"PCM_24_PADDED"``.
    container
        ``"WAV"``, ``"RF64"``, ``"BW64"``, ``"FLAC"``, or an allowed `Container` in upper case.
    data_offset
        Where the samples of a WAV begin, or FLAC behind a tag [bytes].
    note
        What a person should know about the header, in words that are the same for all files; empty if nothing.
    """

    sample_rate: int
    channels: int
    samples: int
    subtype: str
    container: str
    data_offset: int = 0
    note: str = ""

    @property
    def seconds(self) -> float:
        """Duration [s]."""
        return self.samples / self.sample_rate

    @property
    def streamed(self) -> bool:
        """Whether the header leaves the length open; then all data that follow are samples."""
        return self.note == LENGTH_OPEN


@contextmanager
def recording(path: str | os.PathLike[str]) -> Iterator[FileIO]:
    """Open a regular file; convert every error while it is open to a `BadAudio` with its path."""
    try:
        # Checked before opening, because opening a device can have effects; opened without blocking, because the file
        # may have been replaced by a pipe since.
        _require_regular(os.stat(path))
        with FileIO(path, "r", opener=_open_without_blocking) as file:
            _require_regular(os.fstat(file.fileno()))
            yield file
    except UnusableError as error:
        raise BadAudio(printable(os.fspath(path)), str(error)) from None
    except OSError as error:
        raise BadAudio(printable(os.fspath(path)), _open_error(path, error)) from None


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


def require_supported(sample_rate: int, channels: int) -> None:
    """Refuse sample rates and numbers of channels that are not supported."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise UnusableError(f"not supported: a sample rate of {sample_rate} Hz; expected {MIN_RATE} to {MAX_RATE}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnusableError(f"not supported: {plural(channels, 'channel')}; expected 1 to {MAX_CHANNELS}")


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
