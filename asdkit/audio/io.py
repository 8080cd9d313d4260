"""Decode recordings into mono waves at one sample rate; check waves that a caller passes as arrays."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.audio.channels import Channel, Wave, mixed_down
from asdkit.audio.headers import (
    MAX_RATE,
    MIN_RATE,
    AudioInfo,
    Container,
    UnusableError,
    container_of,
    read_header,
    recording,
    require_plausible,
)
from asdkit.errors import DataError, UsageError

if TYPE_CHECKING:
    from soundfile import LibsndfileError

WAV_OR_FLAC = (".wav", ".flac")
SUFFIXES: dict[str, tuple[str, ...]] = {
    "aiff": (".aif", ".aiff", ".aifc"),
    "au": (".au", ".snd"),
    "caf": (".caf",),
    "mp3": (".mp3",),
    "ogg": (".ogg", ".oga", ".opus"),
}

MAX_AMPLITUDE = 1e10
"""Full scale is 1, and 32-bit integers stored as floats stay below 2.2e9. Powers of larger values soon overflow."""

_MAX_SAMPLES_PER_BYTE = 4096  # more than any of the containers reaches for silence


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded recording.

    Attributes
    ----------
    wave
        As `read` returns it.
    cancels
        Whether the wave is the mean of channels that cancel, so that it says nothing about the sound.
    """

    wave: Wave
    cancels: bool


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
        If the file is missing, not regular, of another format, without samples, cut short, or has an absurd header.
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
        ``"mean"`` of all channels, or the index of one, from 0.

    Returns
    -------
    wave
        [int16 or float32, ``[samples_at(inspect(path), sample_rate)]``] int16, to be divided by 32768, if the file
        contains int16 and nothing has to be converted; else float32, full scale 1.

    Raises
    ------
    BadAudio
        As `inspect`; also if the samples are damaged, fewer than the header states, NaN, infinite or absurdly loud (the
        message has the index of the sample), or if there is no such channel.
    """
    return decode(path, sample_rate=sample_rate, channel=channel, containers=containers).wave


def decode(
    path: str | os.PathLike[str], *, sample_rate: int, channel: Channel = "mean", containers: Collection[str] = ()
) -> Decoded:
    """Decode a recording as `read` does, and tell whether its channels cancel."""
    with recording(path) as file:
        info = read_any_header(file, containers)
        wave, cancels = _decode(file, info, channel)
    if info.sample_rate != sample_rate:
        wave = resample(wave, info.sample_rate, sample_rate)
    return Decoded(wave, cancels)


def check(path: str | os.PathLike[str], *, channel: Channel = "mean", containers: Collection[str] = ()) -> AudioInfo:
    """Check that `read` accepts a recording, at the least cost.

    The header suffices for integer WAV if libsndfile reads the same from it; everything else is decoded.

    Raises
    ------
    BadAudio
        If `read` would raise it for this `channel`.
    """
    with recording(path) as file:
        info = read_any_header(file, containers)
        if not _is_wav(info) or info.subtype in ("FLOAT", "DOUBLE"):
            _decode(file, info, channel)
        else:
            _require_channel(info, channel)
            if not _is_pcm16_wav(info):
                with _opened(file, info):
                    pass
        return info


def samples_at(info: AudioInfo, sample_rate: int) -> int:
    """Return the number of samples that `read` returns for a recording at `sample_rate`."""
    return -(-info.samples * sample_rate // info.sample_rate)


def resample(wave: Wave, rate: int, sample_rate: int) -> npt.NDArray[np.float32]:
    """Resample from one rate [Hz] to another, as `read` does: soxr, HQ.

    Returns
    -------
    resampled
        [float32, ``[ceil(samples * sample_rate / rate)]``] Full scale 1.
    """
    if wave.dtype == np.int16:
        wave = wave.astype(np.float32) / np.float32(32768)
    length = -(-len(wave) * sample_rate // rate)
    try:
        import soxr
    except ImportError:  # some installations leave it out because of its licence (LGPL)
        from scipy.signal import resample_poly

        common = np.gcd(rate, sample_rate)
        resampled = resample_poly(wave, sample_rate // common, rate // common)
    else:
        resampled = soxr.resample(wave, rate, sample_rate, quality="HQ")
    # soxr omits the last sample if it lies beyond the last one of the input.
    exact = np.zeros(length, np.float32)
    exact[: len(resampled)] = resampled[:length]
    return exact


def is_silent(wave: Wave) -> bool:
    """Return whether all samples are the same."""
    return wave.size == 0 or bool(wave.min() == wave.max())


def suffixes(containers: Collection[str] = ()) -> tuple[str, ...]:
    """Return the lower-case file name suffixes of WAV, FLAC and other containers."""
    return WAV_OR_FLAC + tuple(suffix for container in containers for suffix in SUFFIXES[container])


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
        _require_finite(converted)
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


def read_any_header(file: FileIO, containers: Collection[str] = ()) -> AudioInfo:
    """Read the header of an open file: WAV, FLAC, or one of `containers`.

    Raises
    ------
    UnusableError
        If the file cannot be used.
    """
    try:
        return read_header(file)
    except UnusableError as error:
        file.seek(0)
        container = container_of(file.read(4))
        if container is None:
            raise
        if container not in containers:
            raise UnusableError(f'{error}; to accept it, set data.containers = ["{container}"] in a spec') from None
    return _read_container_header(file, container)


def _read_container_header(file: FileIO, container: Container) -> AudioInfo:
    import soundfile

    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            info = AudioInfo(sound.samplerate, sound.channels, sound.frames, sound.subtype, container.upper())
    except soundfile.LibsndfileError as error:
        raise UnusableError(f"damaged or cut short: {_libsndfile_message(error)}") from None
    require_plausible(info.sample_rate, info.channels)
    if info.samples <= 0:
        raise UnusableError("a header without samples")
    size = os.fstat(file.fileno()).st_size
    if info.samples > _MAX_SAMPLES_PER_BYTE * size:
        raise UnusableError(f"absurd header: it states {info.seconds:.4g} s, {size} bytes follow")
    return info


def _libsndfile_message(error: LibsndfileError) -> str:
    return str(error.error_string).removeprefix("Error : ").rstrip(".")


def _decode(file: FileIO, info: AudioInfo, channel: Channel) -> tuple[Wave, bool]:
    """Decode one channel at the file's sample rate; and whether the channels cancel."""
    _require_channel(info, channel)
    frames = _pcm16_frames(file, info) if _is_pcm16_wav(info) else _soundfile_frames(file, info)
    if len(frames) != info.samples:
        raise UnusableError(f"cut short: its header states {info.samples} samples, {len(frames)} could be read")
    wave, cancels = mixed_down(frames, channel)
    if wave.dtype != np.int16:
        _require_finite(wave)
    return wave, cancels


def _require_channel(info: AudioInfo, channel: Channel) -> None:
    if channel != "mean" and not 0 <= channel < info.channels:
        raise UnusableError(f"has no channel {channel}: its channels are 0 to {info.channels - 1}")


def _is_wav(info: AudioInfo) -> bool:
    return info.container in ("WAV", "RF64")


def _is_pcm16_wav(info: AudioInfo) -> bool:
    return _is_wav(info) and info.subtype == "PCM_16"


def _pcm16_frames(file: FileIO, info: AudioInfo) -> npt.NDArray[np.int16]:
    """Read the most common format without libsndfile, which takes three times as long."""
    frames = np.empty((info.samples, info.channels), dtype="<i2")
    buffer = frames.data.cast("B")
    file.seek(info.data_offset)
    filled = 0
    while filled < len(buffer) and (count := file.readinto(buffer[filled:])):
        filled += count
    return frames[: filled // (2 * info.channels)].astype(np.int16, copy=False)


def _soundfile_frames(file: FileIO, info: AudioInfo) -> npt.NDArray[Any]:
    """Decode with libsndfile [int16 for 16-bit FLAC, else float32, ``[samples, channels]``]."""
    with _opened(file, info) as sound:
        dtype = "int16" if info.subtype == "PCM_16" else "float32"
        frames: npt.NDArray[Any] = sound.read(info.samples, dtype=dtype, always_2d=True)
        return frames


@contextmanager
def _opened(file: FileIO, info: AudioInfo) -> Iterator[Any]:
    """Open the file with libsndfile and check that it reads the same header."""
    import soundfile

    file.seek(0)
    try:
        # By descriptor: the same file is decoded that was checked, whatever its name contains.
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            if (sound.samplerate, sound.channels) != (info.sample_rate, info.channels) or sound.frames < info.samples:
                raise UnusableError("damaged header: it is ambiguous")
            yield sound
    except soundfile.LibsndfileError as error:
        raise UnusableError(f"damaged or cut short: {_libsndfile_message(error)}") from None


def _require_finite(wave: Wave) -> None:
    """Refuse samples that are NaN, infinite, or larger than any sound's [float32, ``[samples]``]."""
    if not wave.size:
        return
    # Two passes without a temporary array; a NaN makes both results NaN and the comparisons false.
    if wave.min() > -MAX_AMPLITUDE and wave.max() < MAX_AMPLITUDE:
        return
    index = int(np.argmax(~(np.abs(wave) < MAX_AMPLITUDE)))
    raise UnusableError(f"sample {index} is {wave[index]:g}, not a finite number in the range of sounds")
