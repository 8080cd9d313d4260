"""Decode an open recording: its header, blocks of its samples, and one channel at one sample rate.

A recording is read block by block into one wave of the wanted rate; a long wave is a memory map. So the memory does not
depend on the recording's length, rate, channels and sample format.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from asdkit import mapped
from asdkit.audio.channels import Channel, Mixdown, Wave
from asdkit.audio.far_subtraction import FarSubtraction
from asdkit.audio.flac import StatedFlac, flac_offset, read_flac_header
from asdkit.audio.headers import AudioInfo, Container, UnusableError, container_of, describe_magic, require_supported
from asdkit.audio.resampling import Resampler, resampled_length
from asdkit.audio.sample_formats import DECODERS
from asdkit.audio.wav import MAGIC, is_wav, read_wav_header
from asdkit.text import plural

if TYPE_CHECKING:
    from soundfile import LibsndfileError

MAX_AMPLITUDE = 1e10
"""Full scale is 1, and 32-bit integers stored as floats stay below 2.2e9. Powers of larger values soon overflow."""

MAX_SAMPLES = 1 << 30
"""Samples of one channel, at the wanted rate, of the longest recording that is decoded: 18.6 hours at 16 kHz."""

_BLOCK = 1 << 20  # numbers of a block: samples times channels
_MAX_SAMPLES_PER_BYTE = 4096  # more than any of the containers reaches for silence

# Sample formats of WAV, by libsndfile's name: how they are decoded, and their bytes.
_WAV_FORMATS: Final = {
    "PCM_U8": ("u8", 1),
    "PCM_16": ("s16le", 2),
    "PCM_24": ("s24le", 3),
    "PCM_24_PADDED": ("s32le", 4),
    "PCM_32": ("s32le", 4),
    "FLOAT": ("f32le", 4),
    "DOUBLE": ("f64le", 8),
    "ALAW": ("alaw", 1),
    "ULAW": ("mulaw", 1),
}

Frames = npt.NDArray[Any]
"""Samples of all channels [int16 or float32, ``[samples, channels]``]."""


def read_any_header(file: FileIO, containers: Collection[str] = ()) -> AudioInfo:
    """Read the header of an open file: WAV, FLAC, or one of `containers`.

    Raises
    ------
    UnusableError
        If the file cannot be used.
    """
    magic = file.read(12)
    if not magic:
        raise UnusableError("empty: 0 bytes")
    if is_wav(magic):
        return read_wav_header(file, magic)
    if magic[:4] == b"fLaC" or magic[:3] == b"ID3":
        offset = flac_offset(file)
        if offset is not None:
            return read_flac_header(file, offset)
    container = container_of(magic)
    if container in containers and container is not None:
        return _read_container_header(file, container)
    allow = f'; to accept it, set data.containers = ["{container}"] in a spec' if container else ""
    raise UnusableError(f"{describe_magic(magic)}, expected WAV or FLAC{allow}")


def decode_wave(file: FileIO, info: AudioInfo, channel: Channel, sample_rate: int) -> tuple[Wave, Mixdown]:
    """Decode one channel at a sample rate [Hz]; return what mixed the channels, too.

    Raises
    ------
    UnusableError
        If the samples cannot be used, or are too many.
    """
    require_length(info, sample_rate)
    blocks = mono_blocks(file, info, channel, mixdown := Mixdown(info.channels, channel))
    length = resampled_length(info.samples, info.sample_rate, sample_rate)
    try:
        if info.sample_rate == sample_rate:
            return _joined(blocks, length), mixdown
        resampled = mapped.empty((length,), np.float32)
        resampler = Resampler(info.sample_rate, sample_rate, resampled)
        for block in blocks:
            resampler.add(block)
        resampler.finish()
    except MemoryError as error:
        text = f"{info.seconds:.0f} s long: there is not enough memory to decode it: {error}"
        raise UnusableError(text.removesuffix(": ")) from None
    return resampled, mixdown


def require_length(info: AudioInfo, sample_rate: int) -> None:
    """Refuse a recording with more than `MAX_SAMPLES` at a sample rate [Hz]."""
    if resampled_length(info.samples, info.sample_rate, sample_rate) > MAX_SAMPLES:
        longest = MAX_SAMPLES / sample_rate
        raise UnusableError(
            f"too long: {info.seconds / 3600:.2f} h; expected at most {longest / 3600:.2f} h at {sample_rate} Hz; cut "
            "it into parts"
        )


def mono_blocks(file: FileIO, info: AudioInfo, channel: Channel, mixdown: Mixdown) -> Iterator[Wave]:
    """Decode one channel at the file's own rate, block by block.

    Raises
    ------
    UnusableError
        If there is no such channel; if samples are damaged, missing or not finite.
    """
    require_channel(info, channel)
    count = 0
    for wave in _far_subtracted(file, info, mixdown) if channel == "far-subtract" else _mixed(file, info, mixdown):
        if wave.dtype != np.int16:
            require_finite(wave, count)
        count += len(wave)
        yield wave
    if count != info.samples:
        raise UnusableError(f"cut short: its header states {info.samples} samples, {count} could be read")


def _mixed(file: FileIO, info: AudioInfo, mixdown: Mixdown) -> Iterator[Wave]:
    for frames in frame_blocks(file, info):
        yield mixdown.mix(frames)


def _far_subtracted(file: FileIO, info: AudioInfo, mixdown: Mixdown) -> Iterator[Wave]:
    """Decode twice: to estimate the prediction, and to subtract it."""
    subtraction, count = FarSubtraction(), 0
    for frames in frame_blocks(file, info):
        for column in (0, 1):  # before the spectra, in which a NaN would spread
            if frames.dtype != np.int16:
                require_finite(np.ascontiguousarray(frames[:, column]), count)
        count += len(frames)
        subtraction.learn(frames)
    for frames in frame_blocks(file, info):
        wave = subtraction.subtract(frames)
        mixdown.note(wave)
        yield wave
    wave = subtraction.finish()
    mixdown.note(wave)
    yield wave


def frame_blocks(file: FileIO, info: AudioInfo, first: int = 0, last: int | None = None) -> Iterator[Frames]:
    """Decode the samples from `first` to `last` (exclusive) of all channels, block by block."""
    rows = max(1, _BLOCK // info.channels)
    left = (info.samples if last is None else last) - first
    if info.container in _WAV_CONTAINERS:
        return _wav_blocks(file, info, first, left, rows)
    return _soundfile_blocks(file, info, first, left, rows)


def needs_decoding(info: AudioInfo) -> bool:
    """Whether the header is not enough to know that all samples can be used: compressed ones, and floats."""
    return info.container not in _WAV_CONTAINERS or info.subtype in ("FLOAT", "DOUBLE")


def require_channel(info: AudioInfo, channel: Channel) -> None:
    """Refuse a channel that a recording does not have."""
    if channel == "far-subtract":
        if info.channels != 2:
            raise UnusableError(f"has {plural(info.channels, 'channel')}: far-subtract needs two, near and far")
    elif channel != "mean" and not 0 <= channel < info.channels:
        raise UnusableError(f"has no channel {channel}: its channels are 0 to {info.channels - 1}")


def require_finite(wave: Wave, before: int = 0) -> None:
    """Refuse samples that are NaN, infinite, or larger than any sound's [float32, ``[samples]``], after `before`."""
    if not wave.size:
        return
    # Two passes without a temporary array; a NaN makes both results NaN and the comparisons false.
    if wave.min() > -MAX_AMPLITUDE and wave.max() < MAX_AMPLITUDE:
        return
    index = int(np.argmax(~(np.abs(wave) < MAX_AMPLITUDE)))
    raise UnusableError(f"sample {before + index} is {wave[index]:g}, not a finite number in the range of sounds")


_WAV_CONTAINERS = ("WAV", *(magic.decode() for magic in MAGIC[1:]))


def _joined(blocks: Iterator[Wave], length: int) -> Wave:
    """Join blocks to one wave of a length; blocks beyond it raise an error when they end."""
    first: Wave = next(blocks, np.empty(0, np.int16))
    if len(first) == length:
        for _ in blocks:
            pass
        return first
    joined: Wave = mapped.empty((length,), first.dtype)
    joined[: len(first)] = first
    filled = len(first)
    for block in blocks:
        joined[filled : filled + len(block)] = block
        filled += len(block)
        mapped.release(joined)
    return joined


def _wav_blocks(file: FileIO, info: AudioInfo, first: int, left: int, rows: int) -> Iterator[Frames]:
    name, width = _WAV_FORMATS[info.subtype]
    if info.subtype == "PCM_24_PADDED" and _is_low_aligned(file, info):
        name = "s24_32le"
    decode, bytes_per_row = DECODERS[name], info.channels * width
    file.seek(info.data_offset + first * bytes_per_row)
    while left > 0:
        data = _read_bytes(file, min(rows, left) * bytes_per_row)
        count = len(data) // bytes_per_row
        if not count:
            return
        yield decode(data[: count * bytes_per_row]).reshape(count, info.channels)
        left -= count


def _read_bytes(file: FileIO, size: int) -> Any:
    """Read so many bytes, or fewer at the end of the file [memoryview of an array of its own]."""
    buffer = np.empty(size, np.uint8).data
    filled = 0
    while filled < size and (count := file.readinto(buffer[filled:])):
        filled += count
    return buffer[:filled]


def _is_low_aligned(file: FileIO, info: AudioInfo) -> bool:
    """Whether samples of 24 bits lie in the low 3 of 4 bytes, as ALSA writes them; the rule is the high 3.

    Then the high byte only repeats the sign or is 0, and the low byte is not always 0.
    """
    is_low = False
    file.seek(info.data_offset)
    left = info.samples * info.channels * 4
    while left > 0 and (data := _read_bytes(file, min(left, 4 * _BLOCK))):
        left -= len(data)
        quads = np.frombuffer(data[: len(data) // 4 * 4], np.uint8).reshape(-1, 4)
        if not np.isin(quads[:, 3], (0, 255)).all():
            return False
        is_low = is_low or bool(quads[:, 0].any())
    return is_low


def _soundfile_blocks(file: FileIO, info: AudioInfo, first: int, left: int, rows: int) -> Iterator[Frames]:
    """Decode with libsndfile [int16 for 16-bit FLAC, else float32, ``[samples, channels]``]."""
    dtype = "int16" if info.subtype == "PCM_16" else "float32"
    with _opened(file, info) as sound:
        if first:
            sound.seek(first)
        while left > 0:
            frames: Frames = sound.read(min(rows, left), dtype=dtype, always_2d=True)
            if not len(frames):
                return
            yield frames
            left -= len(frames)


@contextmanager
def _opened(file: FileIO, info: AudioInfo) -> Iterator[Any]:
    """Open the file with libsndfile and check that it reads the same header."""
    import soundfile

    file.seek(0)
    try:
        # By descriptor: the same file is decoded that was checked, whatever its name contains.
        given = StatedFlac(file, info) if info.container == "FLAC" and info.streamed else file.fileno()
        with soundfile.SoundFile(given, closefd=False) as sound:
            if (sound.samplerate, sound.channels) != (info.sample_rate, info.channels) or sound.frames < info.samples:
                raise UnusableError("damaged header: it is ambiguous")
            yield sound
    except soundfile.LibsndfileError as error:
        raise UnusableError(f"damaged or cut short: {_libsndfile_message(error)}") from None


def _read_container_header(file: FileIO, container: Container) -> AudioInfo:
    import soundfile

    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            info = AudioInfo(sound.samplerate, sound.channels, sound.frames, sound.subtype, container.upper())
    except soundfile.LibsndfileError as error:
        raise UnusableError(f"damaged or cut short: {_libsndfile_message(error)}") from None
    require_supported(info.sample_rate, info.channels)
    if info.samples <= 0:
        raise UnusableError("a header without samples")
    size = os.fstat(file.fileno()).st_size
    if info.samples > _MAX_SAMPLES_PER_BYTE * size:
        raise UnusableError(f"cut short: its header states {info.seconds:.4g} s, more than {size} bytes can contain")
    return info


def _libsndfile_message(error: LibsndfileError) -> str:
    return str(error.error_string).removeprefix("Error : ").rstrip(".")
