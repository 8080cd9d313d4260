"""Containers beyond WAV and FLAC, for those who ask for them: told by how a file begins, read by libsndfile alone.

Waves that a caller brings: checked, and brought to the kinds that the toolkit computes with.

From a recording to a mono wave at the rate that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import FileIO
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from asdkit.audio.headers import MAX_RATE, MIN_RATE, AudioInfo, UnusableError, read_header, recording, require_sane
from asdkit.errors import DataError, UsageError

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


def as_wave(given: npt.ArrayLike, what: str = "the wave") -> Wave:
    """Check a wave; int16 stays as it is, other floats become float32.

    Parameters
    ----------
    given
        [float, full scale 1, or int16, ``[samples]``] One channel.
    what
        What messages call it.

    Raises
    ------
    UsageError
        If it is not one channel, or of another type.
    DataError
        If it holds samples that are NaN, infinite, or beyond any sound's size.
    """
    try:
        wave = np.asarray(given)
    except ValueError:  # rows of unlike lengths
        raise UsageError(f"{what} is no array of numbers; expected one channel of int16 or floats") from None
    is_int16 = wave.dtype.kind == "i" and wave.dtype.itemsize == 2
    if wave.ndim != 1 or not (is_int16 or np.issubdtype(wave.dtype, np.floating)):
        hint = "Divide other whole numbers by their full scale." if wave.dtype.kind in "iu" else ""
        found = f"{what} is {wave.dtype} {list(wave.shape)}"
        raise UsageError(f"{found}; expected one channel of int16 or floats", hint=hint)
    if is_int16:
        return np.ascontiguousarray(wave, np.int16)
    with np.errstate(over="ignore", under="ignore"):
        made = np.ascontiguousarray(wave, np.float32)
    try:
        require_finite(made)
    except UnusableError as fault:
        raise DataError(f"{what}: {fault}") from None
    return made


def as_rate(given: object) -> int:
    """Check a sample rate [Hz].

    Raises
    ------
    UsageError
        If it is no whole number of Hz that recordings have.
    """
    rate = int(float(given)) if isinstance(given, Real) and float(given).is_integer() else 0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(f"a sample rate of {given!r}; expected whole Hz from {MIN_RATE} to {MAX_RATE}")
    return rate


Wave = npt.NDArray[np.float32] | npt.NDArray[np.int16]
Channel = int | Literal["mean"]

# Full scale is 1; whoever stores 32-bit integers as floats stays below 2.2e9. Beyond this a power would soon overflow.
LOUDEST = 1e10


def inspect(path: str | os.PathLike[str], *, containers: Collection[str] = ()) -> AudioInfo:
    """Read a recording's header and hold it against the file's size.

    Parameters
    ----------
    path
        A WAV or FLAC file.
    containers
        Others that are taken as well: ``"aiff"``, ``"au"``, ``"caf"``, ``"mp3"``, ``"ogg"``.

    Raises
    ------
    BadAudio
        Missing, not a regular file, no such container, without samples, cut short, or an absurd header.
    """
    with recording(path) as file:
        return read_any_header(file, containers)


def read(
    path: str | os.PathLike[str], *, sample_rate: int, channel: Channel = "mean", containers: Collection[str] = ()
) -> Wave:
    """Decode a recording into one channel at one rate.

    Parameters
    ----------
    path, containers
        As for `inspect`.
    sample_rate
        Wanted rate [Hz]; another one is resampled (soxr, HQ).
    channel
        ``"mean"`` of all channels, or the index of one, from 0.

    Returns
    -------
    wave
        [int16 or float32, ``[samples_at(inspect(path), sample_rate)]``] int16, to be divided by 32768, where the file
        holds just that and nothing has to be converted; else float32, full scale 1.

    Raises
    ------
    BadAudio
        As `inspect`; damaged, shorter than its header says, NaN, Inf or absurdly loud (with the sample's index), or
        without that channel.
    """
    with recording(path) as file:
        info = read_any_header(file, containers)
        wave = _decode(file, info, channel)
    return wave if info.sample_rate == sample_rate else resample(wave, info.sample_rate, sample_rate)


def check(path: str | os.PathLike[str], *, channel: Channel = "mean", containers: Collection[str] = ()) -> AudioInfo:
    """Find all that is wrong with a recording, at the least cost.

    A header tells all about integer WAV, where libsndfile understands it as we do; all else is decoded.

    Raises
    ------
    BadAudio
        Whatever `read` would raise for this `channel`.
    """
    with recording(path) as file:
        info = read_any_header(file, containers)
        if not _is_wav(info) or info.subtype in ("FLOAT", "DOUBLE"):
            _decode(file, info, channel)
        else:
            _require_channel(info, channel)
            if not _is_plain(info):
                with _opened(file, info):
                    pass
        return info


def samples_at(info: AudioInfo, sample_rate: int) -> int:
    """How many samples `read` returns of such a recording at `sample_rate`."""
    return -(-info.samples * sample_rate // info.sample_rate)


def is_silent(wave: Wave) -> bool:
    """Whether nothing at all is to be heard: every sample is the same."""
    return wave.size == 0 or bool(wave.min() == wave.max())


def _require_channel(info: AudioInfo, channel: Channel) -> None:
    if channel != "mean" and not 0 <= channel < info.channels:
        raise UnusableError(f"has no channel {channel}: its channels are 0 to {info.channels - 1}")


def _decode(file: FileIO, info: AudioInfo, channel: Channel) -> Wave:
    """Decode one channel at the file's own rate."""
    _require_channel(info, channel)
    frames = _pcm16_frames(file, info) if _is_plain(info) else _soundfile_frames(file, info)
    if len(frames) != info.samples:
        raise UnusableError(f"cut short: its header promises {info.samples} samples, {len(frames)} could be read")
    wave = one_channel(frames, channel)
    if wave.dtype != np.int16:
        require_finite(wave)
    return wave


def _is_wav(info: AudioInfo) -> bool:
    return info.container in ("WAV", "RF64")


def _is_plain(info: AudioInfo) -> bool:
    return _is_wav(info) and info.subtype == "PCM_16"


def _pcm16_frames(file: FileIO, info: AudioInfo) -> npt.NDArray[np.int16]:
    """Read the commonest format as it lies in the file: a third of the time that libsndfile takes."""
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
    """Let libsndfile open what we looked at, and see that it finds the same."""
    import soundfile

    file.seek(0)
    try:
        # By descriptor: the file that was looked at is the one decoded, whatever its name is made of.
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            if (sound.samplerate, sound.channels) != (info.sample_rate, info.channels) or sound.frames < info.samples:
                raise UnusableError("damaged header: it can be read in two ways")
            yield sound
    except soundfile.LibsndfileError as error:
        raise UnusableError(f"damaged or cut short: {told(error)}") from None


def one_channel(frames: npt.NDArray[Any], channel: Channel) -> Wave:
    """Take one channel, or the mean, of samples [int16 or float32, ``[samples, channels]``]."""
    wave: Wave
    if channel != "mean" or frames.shape[1] == 1:
        wave = np.ascontiguousarray(frames[:, 0 if channel == "mean" else channel])
        return wave
    with np.errstate(invalid="ignore", over="ignore"):  # NaN, Inf: found right after
        wave = frames[:, 0].astype(np.float32)
        for other in range(1, frames.shape[1]):  # numpy's mean over an axis as short as this takes several times longer
            wave += frames[:, other]
        wave /= frames.shape[1] * (32768 if frames.dtype == np.int16 else 1)
    return wave


def require_finite(wave: Wave) -> None:
    """Refuse samples that are NaN, infinite, or beyond any sound's size [float32, ``[samples]``]."""
    if not wave.size:
        return
    # Two passes without a temporary; a NaN makes both of them NaN, and so the comparison false.
    if wave.min() > -LOUDEST and wave.max() < LOUDEST:
        return
    index = int(np.argmax(~(np.abs(wave) < LOUDEST)))
    raise UnusableError(f"sample {index} is {wave[index]:g}, not a finite number of a sound's size")


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
    except ImportError:  # its licence (LGPL) keeps it out of some installations
        from scipy.signal import resample_poly

        common = np.gcd(rate, sample_rate)
        resampled = resample_poly(wave, sample_rate // common, rate // common)
    else:
        resampled = soxr.resample(wave, rate, sample_rate, quality="HQ")
    # soxr leaves out a last sample that lies beyond the last of the input.
    exact = np.zeros(length, np.float32)
    exact[: len(resampled)] = resampled[:length]
    return exact
