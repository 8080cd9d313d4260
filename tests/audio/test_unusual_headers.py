"""Headers that recorders, pipes and converters write and libsndfile does not read, or reads otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asdkit import audio
from asdkit.audio.headers import LENGTH_OPEN
from asdkit.audio.wav import COUNTS_ITSELF
from asdkit.errors import BadAudio
from tests.helpers.audio_corpus import GOOD, RATE, SECOND, chunk, encoded, flac, rf64, wav

NOISE = np.random.default_rng(0).integers(-(2**23), 2**23, RATE)  # 24 bits
QUIET = NOISE >> 12
ALSA = {"bits": 24, "block": 4}  # arecord -f S24_LE


def read(folder: Path, content: bytes) -> audio.Wave:
    path = folder / "a.wav"
    path.write_bytes(content)
    audio.check(path)
    return audio.read(path, sample_rate=RATE)


def note(folder: Path, content: bytes) -> str:
    path = folder / "a.wav"
    path.write_bytes(content)
    return audio.inspect(path).note


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x80000024, 0x7FFFF000, 0x7FFFFFFF, 0x7FFFEFFF, 0xFFFFFFDB])
def test_a_placeholder_for_the_length_is_noted(size: int, tmp_path: Path) -> None:
    assert note(tmp_path, wav(size=size)) == LENGTH_OPEN
    np.testing.assert_array_equal(read(tmp_path, wav(size=size)), SECOND)


@pytest.mark.parametrize("name", ["plain.wav", "rf64.wav", "16-bit.flac", "tagged.flac", "notes-last.wav"])
def test_a_stated_length_has_no_note(name: str, tmp_path: Path) -> None:
    assert note(tmp_path, GOOD[name]) == ""


@pytest.mark.parametrize("header", [44, 44 + 16], ids=["plain", "with notes"])
def test_a_length_that_counts_the_header_is_noted(header: int, tmp_path: Path) -> None:
    notes = chunk(b"LIST", b"INFOsoft") if header > 44 else b""
    for size in (32_000 + header, 32_000 + header - 8):
        assert note(tmp_path, wav(size=size, before=notes)) == COUNTS_ITSELF


@pytest.mark.parametrize("lost", [1, 2, 35, 37, 43, 45, 4096, 31_998])
def test_a_truncated_file_is_found(lost: int, tmp_path: Path) -> None:
    with pytest.raises(BadAudio, match=r"cut short: its header states (?P<n>.*), the file contains (?!(?P=n))"):
        read(tmp_path, wav()[:-lost])


@pytest.mark.parametrize("lost", [1, 2, 100, 5000])
def test_truncated_flac_of_unknown_length_is_found(lost: int, tmp_path: Path) -> None:
    with pytest.raises(BadAudio, match="cut short: its header states no length, and it ends within a frame"):
        read(tmp_path, flac(samples=0)[:-lost])


def test_flac_of_unknown_length_is_read_whole(tmp_path: Path) -> None:
    for content in (
        flac(samples=0),
        GOOD["tagged.flac"][:148] + flac(samples=0),
        flac(samples=0) + b"TAG" + bytes(125),
    ):
        assert note(tmp_path, content) == LENGTH_OPEN
        np.testing.assert_array_equal(read(tmp_path, content), SECOND)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_flac_of_unknown_length_equals_that_of_known(channels: int, subtype: str, tmp_path: Path) -> None:
    frames = np.random.default_rng(1).normal(0, 0.1, (30_001, channels))
    known = bytearray(encoded(frames, subtype))
    expected = read(tmp_path, bytes(known))
    known[21] &= 0xF0
    known[22:26] = bytes(4)
    np.testing.assert_array_equal(read(tmp_path, bytes(known)), expected)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (NOISE << 8, NOISE / 2**23),  # as the format says: the high 3 bytes
        (NOISE << 8 | 0x55, (NOISE << 8 | 0x55) / 2**31),
        (NOISE, NOISE / 2**23),  # as ALSA writes: the low 3 bytes, with the sign repeated
        (NOISE & 0xFFFFFF, NOISE / 2**23),  # or with zeros
        (QUIET, QUIET / 2**23),
        (QUIET << 8, QUIET / 2**23),
        (0 * NOISE, 0 * NOISE),
    ],
)
def test_24_bits_in_4_bytes_are_found(samples: np.ndarray, expected: np.ndarray, tmp_path: Path) -> None:
    wave = read(tmp_path, wav(samples.astype(np.uint32).astype("<u4").tobytes(), **ALSA))
    np.testing.assert_array_equal(wave, expected.astype(np.float32))


def test_valid_bits_of_an_extensible_header_are_high(tmp_path: Path) -> None:
    content = bytearray(encoded(NOISE / 2**23, "PCM_32", "WAVEX"))
    at = content.index(b"fmt ") + 8 + 18
    content[at : at + 2] = (24).to_bytes(2, "little")
    np.testing.assert_allclose(read(tmp_path, bytes(content)), NOISE / 2**23, atol=2**-24)


@pytest.mark.parametrize("kind", ["PCM_16", "PCM_24", "FLOAT", "ALAW"])
def test_bw64_equals_rf64(kind: str, tmp_path: Path) -> None:
    content = encoded(SECOND / 32768, kind, "RF64")
    expected = read(tmp_path, content)
    np.testing.assert_array_equal(read(tmp_path, b"BW64" + content[4:]), expected)


def test_an_rf64_pipe_without_a_length_names_the_cause(tmp_path: Path) -> None:
    with pytest.raises(BadAudio, match=r"32000 bytes follow: .* crashed .*, or wrote to a pipe"):
        read(tmp_path, rf64(size=0))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wav(bytes(192), channels=96), "not supported: 96 channels; expected 1 to 64"),
        (wav(rate=800), "not supported: a sample rate of 800 Hz; expected 1000 to 768000"),
    ],
)
def test_what_is_not_supported_is_a_fact(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadAudio) as error:
        read(tmp_path, content)
    assert error.value.reason == reason
