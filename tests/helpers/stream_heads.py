"""Streams with mutated heads: what `asdkit listen` reads of them, compared with what libsndfile reads of the bytes."""

from __future__ import annotations

import io
import re
import struct

import numpy as np
import soundfile

from asdkit.audio.pcm import PcmFormat
from asdkit.bundle.byte_stream import ByteStream, Recognised, Sound
from asdkit.errors import BadAudio, UsageError
from tests.helpers.audio_corpus import SECOND, chunk, encoded, rf64, wav

HEAD = 64  # bytes with half of the changes
REFUSED = ("flac", "aiff", "aifc", "ogg")
"""Seeds of formats that a stream cannot have."""

BARE = PcmFormat(7000, 2, "s24le")  # as no seed
Reading = tuple[int, int, str, np.ndarray]
"""Sample rate, channels, sample format and mean of the channels."""

_FORMATS = {
    "PCM_U8": "u8", "PCM_16": "s16le", "PCM_24": "s24le", "PCM_32": "s32le", "FLOAT": "f32le", "DOUBLE": "f64le",
}  # fmt: skip
_TOLD = re.compile(r"(\d+) Hz, (\d+) channels?, (\w+)")


def seeds() -> dict[str, bytes]:
    """Return streams of each kind by name; WAV is accepted, and bare samples are taken as such."""
    short = SECOND[:1000]
    sound, stereo = short.tobytes(), np.stack([short, short // 2], axis=1)
    return {
        "wav": wav(sound),
        "wav of open length": wav(sound, size=0xFFFFFFFF),
        "wav behind notes": wav(sound, before=chunk(b"LIST", b"INFOsoft")),
        "extensible wav": encoded(stereo, container="WAVEX"),
        "24-bit wav": encoded(short / 32768, "PCM_24", "WAV"),
        "float wav": encoded(short / 32768, "FLOAT", "WAV"),
        "8-bit wav": encoded(short / 32768, "PCM_U8", "WAV"),
        "rf64": rf64(sound),
        "rf64 by libsndfile": encoded(short, container="RF64"),
        "bw64": b"BW64" + rf64(sound)[4:],
        "flac": encoded(short),
        "aiff": encoded(short, container="AIFF"),
        "aifc": encoded(short / 32768, "FLOAT", "AIFF"),
        "ogg": encoded(short, "VORBIS", "OGG"),
        "bare": sound,
    }


def stream_target(data: bytes) -> bool:
    """Read a stream; return False if it is refused. Fail if libsndfile reads other sound, or no format is reported."""
    try:
        stated, samples = read(data)
    except (UsageError, BadAudio):
        return False
    if len(samples) == 0 and stated is None:
        return True  # too short for a sample
    assert stated is not None, "no format is reported"
    expected = _read_by_libsndfile(data)
    if stated == BARE:
        assert expected is None or not len(expected[3]), "libsndfile reads a file where bare samples are read"
        return True
    rate, channels, name, wave = expected or _read_plainly(data)
    assert (rate, channels, name) == (stated.sample_rate, stated.channels, stated.samples), "another format is read"
    assert len(samples) >= len(wave), "fewer samples are read"  # more: those behind a stated length
    np.testing.assert_allclose(samples[: len(wave)], wave, rtol=0, atol=1e-6 * _largest(wave))
    return True


def read(data: bytes) -> tuple[PcmFormat | None, np.ndarray]:
    """Return the reported format and the sound up to the next header; they may not depend on how bytes arrive."""
    whole = _read_pieces([data])
    assert _same(whole, _read_pieces([data[at : at + 7] for at in range(0, 280, 7)] + [data[280:]])), "pieces differ"
    return whole


def _read_pieces(pieces: list[bytes]) -> tuple[PcmFormat | None, np.ndarray]:
    stream = ByteStream("stream", BARE, "mean")
    stated: PcmFormat | None = None
    waves: list[np.ndarray] = []
    for piece in [*filter(None, pieces), b""]:
        for event in stream.add(piece):
            if isinstance(event, Recognised) and stated is None:
                rate, channels, name = _TOLD.search(event.what).groups()
                stated = PcmFormat(int(rate), int(channels), name)
            elif isinstance(event, Sound):
                with np.errstate(invalid="ignore"):  # signalling NaN
                    waves.append(event.wave / np.float64(32768 if event.wave.dtype == np.int16 else 1))
            else:
                break
    return stated, np.concatenate(waves) if waves else np.empty(0)


def _same(one: tuple[PcmFormat | None, np.ndarray], other: tuple[PcmFormat | None, np.ndarray]) -> bool:
    return one[0] == other[0] and np.array_equal(one[1], other[1], equal_nan=True)


def _read_by_libsndfile(data: bytes) -> Reading | None:
    """Return what libsndfile reads; None if it refuses."""
    if data.startswith(b"BW64"):
        data = b"RF64" + data[4:]  # the same format, which early versions of it do not know
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            frames = file.read(dtype="float64", always_2d=True)
            return file.samplerate, file.channels, _FORMATS.get(file.subtype, file.subtype), frames.mean(axis=1)
    except soundfile.LibsndfileError:
        return None


def _read_plainly(data: bytes) -> Reading:
    """Return what the chunks of a WAV state that libsndfile refuses; the samples are not decoded."""
    position, form = 12, b""
    while (name := data[position : position + 4]) != b"data":
        (size,) = struct.unpack_from("<I", data, position + 4)
        form = data[position + 8 :] if name == b"fmt " else form
        position += 8 + size + size % 2
    tag, channels, rate, _, block, _ = struct.unpack_from("<HHIIHH", form)
    tag = struct.unpack_from("<H", form, 24)[0] if tag == 0xFFFE else tag
    names = {(1, 1): "u8", (1, 2): "s16le", (1, 3): "s24le", (1, 4): "s32le", (3, 4): "f32le", (3, 8): "f64le"}
    return rate, channels, names[tag, block // channels], np.empty(0)


def _largest(wave: np.ndarray) -> float:
    finite = np.abs(wave[np.isfinite(wave)])
    return max(1.0, float(finite.max(initial=0)))
