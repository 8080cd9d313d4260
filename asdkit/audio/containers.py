"""Containers beyond WAV and FLAC, for those who ask for them: told by how a file begins, read by libsndfile alone."""

from __future__ import annotations

import os
from collections.abc import Collection
from io import FileIO
from typing import TYPE_CHECKING, Literal

from asdkit.audio.headers import AudioInfo, UnusableError, read_header, require_sane

if TYPE_CHECKING:
    from soundfile import LibsndfileError

Container = Literal["aiff", "au", "caf", "mp3", "ogg"]

BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "aiff": (b"FORM",),
    "au": (b".snd",),
    "caf": (b"caff",),
    "mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "ogg": (b"OggS",),
}
SUFFIXES: dict[str, tuple[str, ...]] = {
    "aiff": (".aif", ".aiff", ".aifc"),
    "au": (".au", ".snd"),
    "caf": (".caf",),
    "mp3": (".mp3",),
    "ogg": (".ogg", ".oga", ".opus"),
}


WAV_OR_FLAC = (".wav", ".flac")
DENSEST = 4096  # samples a byte: beyond what any of these makes of silence


def read_any_header(file: FileIO, containers: Collection[str] = ()) -> AudioInfo:
    """Read the header of an open WAV or FLAC file, or of one in a container that was asked for.

    Raises
    ------
    UnusableError
        With the reason.
    """
    try:
        return read_header(file)
    except UnusableError as fault:
        file.seek(0)
        begins = file.read(4)
        kind = next((name for name, those in BEGINNINGS.items() if begins.startswith(those)), None)
        if kind is None:
            raise
        if kind not in containers:
            raise UnusableError(f'{fault}; data.containers = ["{kind}"] in a spec takes it') from None
    return _read_foreign_header(file, kind)


def suffixes(containers: Collection[str] = ()) -> tuple[str, ...]:
    """Endings of recordings, lower case: WAV, FLAC, and the containers that were asked for."""
    return WAV_OR_FLAC + tuple(suffix for kind in containers for suffix in SUFFIXES[kind])


def _read_foreign_header(file: FileIO, kind: str) -> AudioInfo:
    import soundfile

    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            info = AudioInfo(sound.samplerate, sound.channels, sound.frames, sound.subtype, kind.upper())
    except soundfile.LibsndfileError as error:
        raise UnusableError(f"damaged or cut short: {told(error)}") from None
    require_sane(info.sample_rate, info.channels)
    if info.samples <= 0:
        raise UnusableError("a header without samples")
    size = os.fstat(file.fileno()).st_size
    if info.samples > DENSEST * size:
        raise UnusableError(f"absurd header: it promises {info.seconds:.4g} s, {size} bytes follow")
    return info


def told(error: LibsndfileError) -> str:
    """What libsndfile says is wrong."""
    return str(error.error_string).removeprefix("Error : ").rstrip(".")
