"""Inspect, check and decode recordings; check waves that a caller passes as arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from numbers import Real
from pathlib import PurePath
from typing import Final

import numpy as np
import numpy.typing as npt

from asdkit import mapped
from asdkit.audio.channels import Channel, Mixdown, Wave, cancels
from asdkit.audio.decoding import (
    decode_wave,
    frame_blocks,
    mono_blocks,
    needs_decoding,
    read_any_header,
    require_channel,
    require_finite,
    require_length,
)
from asdkit.audio.headers import MAX_RATE, MIN_RATE, AudioInfo, UnusableError, recording
from asdkit.audio.resampling import resampled_length
from asdkit.audio.sample_formats import silent_span
from asdkit.errors import DataError, UsageError

WAV_OR_FLAC = (".wav", ".flac")
SUFFIXES: dict[str, tuple[str, ...]] = {
    "aiff": (".aif", ".aiff", ".aifc"),
    "au": (".au", ".snd"),
    "caf": (".caf",),
    "mp3": (".mp3",),
    "ogg": (".ogg", ".oga", ".opus"),
}
_NEVER_READ = (
    ".wave", ".w64", ".rf64", ".bwf", ".m4a", ".aac", ".wma", ".amr", ".3gp", ".ape", ".wv", ".webm", ".mka", ".ac3",
    ".dts", ".gsm", ".voc", ".sph", ".raw", ".pcm",
)  # fmt: skip
SILENT: Final = "silent; the score says nothing about the machine"
CANCELLED: Final = "its channels cancel, so their mean is almost silent; the score says nothing about the machine"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded recording.

    Attributes
    ----------
    wave
        As `read` returns it.
    cancels
        Whether the wave is the mean of channels that cancel, so that it says nothing about the sound.
    silent
        Whether the recording is constant, but for dither: see `is_silent`. Before resampling, which adds edges.
    """

    wave: Wave
    cancels: bool
    silent: bool

    @property
    def silence(self) -> str:
        """Why the wave says nothing about the machine, in words that are the same for all; empty if it may say more."""
        return CANCELLED if self.cancels else SILENT if self.silent else ""


def inspect(path: str | os.PathLike[str], *, containers: Collection[str] = ()) -> AudioInfo:
    """Read a recording's header and compare it with the file's size.

    Parameters
    ----------
    path
        A WAV or FLAC file.
    containers
        Other formats to accept: ``"aiff"``, ``"au"``, ``"caf"``, ``"mp3"``, ``"ogg"``.

    Raises
    ------
    BadAudio
        If the file is missing, not regular, of another format, without samples, or cut short, or is not supported.
    """
    with recording(path) as file:
        return read_any_header(file, containers)


def read(
    path: str | os.PathLike[str], *, sample_rate: int, channel: Channel = "mean", containers: Collection[str] = ()
) -> Wave:
    """Decode one channel of a recording at one sample rate.

    Parameters
    ----------
    path, containers
        As for `inspect`.
    sample_rate
        Sample rate of the result [Hz]; other rates are resampled (soxr, HQ).
    channel
        ``"mean"`` of all channels, the index of one, from 0, or ``"far-subtract"``: channel 0 less what channel 1
        predicts of it (`asdkit.audio.far_subtraction`).

    Returns
    -------
    wave
        [int16 or float32, ``[samples_at(inspect(path), sample_rate)]``] int16, to be divided by 32768, if the file
        contains int16 and nothing has to be converted; else float32, full scale 1.

    Raises
    ------
    BadAudio
        As `inspect`; also if the samples are damaged, fewer than the header states, NaN, infinite or larger than any
        sound (the message has the index of the sample), if there is no such channel, or if it is `too_long`.
    """
    return decode(path, sample_rate=sample_rate, channel=channel, containers=containers).wave


def decode(
    path: str | os.PathLike[str], *, sample_rate: int, channel: Channel = "mean", containers: Collection[str] = ()
) -> Decoded:
    """Decode a recording as `read` does, and tell whether its channels cancel."""
    with recording(path) as file:
        info = read_any_header(file, containers)
        wave, mixdown = decode_wave(file, info, channel, sample_rate)
        return Decoded(wave, mixdown.cancels, mixdown.span <= silent_span(info.subtype))


def check(path: str | os.PathLike[str], *, channel: Channel = "mean", containers: Collection[str] = ()) -> AudioInfo:
    """Check that `read` accepts a recording, at the least cost.

    The header suffices for integer WAV; everything else is decoded.

    Raises
    ------
    BadAudio
        If `read` would raise it for this `channel`.
    """
    with recording(path) as file:
        info = read_any_header(file, containers)
        require_channel(info, channel)
        if needs_decoding(info):
            for _ in mono_blocks(file, info, channel, Mixdown(info.channels, channel)):
                pass
        return info


def too_long(info: AudioInfo, sample_rate: int) -> str:
    """Return why a recording cannot be decoded at a sample rate [Hz] for its length; empty if it can."""
    try:
        require_length(info, sample_rate)
    except UnusableError as error:
        return str(error)
    return ""


def mean_cancels(path: str | os.PathLike[str], info: AudioInfo, containers: Collection[str] = ()) -> bool:
    """Return whether the channels of a recording cancel in their mean, as far as a second in its middle tells.

    Parameters
    ----------
    path, containers
        As for `inspect`.
    info
        What `inspect` returned.
    """
    if info.channels == 1:
        return False
    first = max(0, (info.samples - info.sample_rate) // 2)
    with recording(path) as file:
        blocks = frame_blocks(file, info, first, min(info.samples, first + info.sample_rate))
        return any(cancels(frames) for frames in blocks)


def samples_at(info: AudioInfo, sample_rate: int) -> int:
    """Return the number of samples that `read` returns for a recording at `sample_rate`."""
    return resampled_length(info.samples, info.sample_rate, sample_rate)


def is_silent(wave: Wave, samples: str = "") -> bool:
    """Return whether all samples are the same, or within one step of their format, as dithered silence is.

    Parameters
    ----------
    wave
        [int16 or float32, ``[samples]``]
    samples
        Format that it was decoded from, a key of `WIDTHS`; by default, int16 or floats.
    """
    lowest, highest = np.inf, -np.inf
    for block in mapped.blocks(wave):
        lowest, highest = np.minimum(lowest, block.min()), np.maximum(highest, block.max())
    scale = 32768 if wave.dtype == np.int16 else 1
    return bool(highest - lowest <= scale * silent_span("s16le" if wave.dtype == np.int16 else samples))


def suffixes(containers: Collection[str] = ()) -> tuple[str, ...]:
    """Return the lower-case file name suffixes of WAV, FLAC and other containers."""
    return WAV_OR_FLAC + tuple(suffix for container in containers for suffix in SUFFIXES[container])


class UnreadFiles:
    """Count the audio files of a folder that are not read, by suffix.

    Parameters
    ----------
    containers
        Formats that are read besides WAV and FLAC.
    """

    def __init__(self, containers: Collection[str] = ()) -> None:
        read = suffixes(containers)
        others = (*_NEVER_READ, *(suffix for known in SUFFIXES.values() for suffix in known))
        self._suffixes = {suffix for suffix in others if suffix not in read}
        self._paths: dict[str, set[str]] = {}

    def add(self, path: str) -> None:
        """Count a file, once, if it is audio that is not read."""
        suffix = PurePath(path).suffix.lower()
        if suffix in self._suffixes:
            self._paths.setdefault(suffix, set()).add(path)

    @property
    def found(self) -> set[str]:
        """Suffixes of the files counted."""
        return set(self._paths)

    def line(self) -> str:
        """Return the counts in one line that says what would read them; empty if all audio files are read."""
        if not self._paths:
            return ""
        counts = ", ".join(f"{len(paths)} {suffix}" for suffix, paths in sorted(self._paths.items()))
        containers = [name for name, known in SUFFIXES.items() if self._paths.keys() & set(known)]
        known = {suffix for name in containers for suffix in SUFFIXES[name]}
        hints = [f"data.containers = {json.dumps(containers)} in a spec reads {_listed(known & self._paths.keys())}"]
        hints = hints if containers else []
        if self._paths.keys() - known:
            hints.append(f"convert {_listed(self._paths.keys() - known)} to WAV or FLAC")
        return f"audio files not read: {counts}; {'; '.join(hints)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def as_wave(samples: npt.ArrayLike, what: str = "the wave") -> Wave:
    """Check an array of samples; int16 stays as it is, floats become float32.

    Parameters
    ----------
    samples
        [float, full scale 1, or int16, ``[samples]``] One channel.
    what
        Name of the array in messages.

    Raises
    ------
    UsageError
        If it is not one channel, or of another type.
    DataError
        If samples are NaN, infinite, or larger than any sound's.
    """
    try:
        wave = np.asarray(samples)
    except ValueError:  # rows of different lengths
        raise UsageError(f"{what} is not an array of numbers; expected one channel of int16 or floats") from None
    is_int16 = wave.dtype.kind == "i" and wave.dtype.itemsize == 2
    if wave.ndim != 1 or not (is_int16 or np.issubdtype(wave.dtype, np.floating)):
        hint = "Divide other integers by their full scale." if wave.dtype.kind in "iu" else ""
        actual = f"{what} is {wave.dtype} {list(wave.shape)}"
        raise UsageError(f"{actual}; expected one channel of int16 or floats", hint=hint)
    if is_int16:
        return np.ascontiguousarray(wave, np.int16)
    with np.errstate(over="ignore", under="ignore"):
        converted = np.ascontiguousarray(wave, np.float32)
    try:
        require_finite(converted)
    except UnusableError as error:
        raise DataError(f"{what}: {error}") from None
    return converted


def as_rate(value: object) -> int:
    """Check a sample rate [Hz].

    Raises
    ------
    UsageError
        If it is not a whole number of Hz that recordings have.
    """
    rate = int(float(value)) if isinstance(value, Real) and float(value).is_integer() else 0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(f"a sample rate of {value!r}; expected whole Hz from {MIN_RATE} to {MAX_RATE}")
    return rate
