"""Decoding: the right channel, sample rate and number of samples."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit import audio
from asdkit.audio import decoding, io
from asdkit.errors import BadAudio
from tests.helpers.audio_corpus import GOOD, RATE, SECOND, encoded, floats, wav
from tests.helpers.properties import examples


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("channel", ["mean", 0])
def test_samples_match_libsndfile(name: str, channel: audio.Channel, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(GOOD[name])
    with path.open("rb") as file:
        frames, rate = soundfile.read(file, dtype="float64", always_2d=True)
    wave = audio.read(path, sample_rate=rate, channel=channel)
    assert wave.ndim == 1
    assert wave.flags.c_contiguous
    full_scale = 32768 if wave.dtype == np.int16 else 1
    expected = frames.mean(axis=1) if channel == "mean" else frames[:, channel]
    np.testing.assert_allclose(wave / np.float64(full_scale), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "channel", "rate", "kind"),
    [
        ("plain.wav", "mean", RATE, np.int16),
        ("16-bit.flac", "mean", RATE, np.int16),
        ("stereo.wav", 1, RATE, np.int16),
        ("stereo.wav", "mean", RATE, np.float32),
        ("plain.wav", "mean", 8000, np.float32),
        ("24-bit.wav", "mean", RATE, np.float32),
        ("24-bit.flac", "mean", RATE, np.float32),
        ("float.wav", "mean", RATE, np.float32),
    ],
)
def test_int16_is_kept_if_nothing_is_converted(
    name: str, channel: audio.Channel, rate: int, kind: type, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(GOOD[name])
    assert audio.read(path, sample_rate=rate, channel=channel).dtype == kind


def test_a_channel_is_selected_by_index(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(-3000, 3000, (500, 3)).astype(np.int16)
    for container in ("WAV", "FLAC"):
        path = tmp_path / "three.wav"
        path.write_bytes(encoded(frames, container=container))
        for channel in range(3):
            wave = audio.read(path, sample_rate=RATE, channel=channel)
            np.testing.assert_array_equal(wave, frames[:, channel])


@pytest.mark.parametrize("channel", [2, -1])
def test_an_absent_channel_is_refused_by_the_check(channel: int, tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    path.write_bytes(GOOD["stereo.wav"])
    for act in (lambda: audio.check(path, channel=channel), lambda: audio.read(path, sample_rate=1, channel=channel)):
        with pytest.raises(BadAudio, match=f"has no channel {channel}: its channels are 0 to 1"):
            act()


def test_nan_in_an_unused_channel_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "half-dead.wav"
    path.write_bytes(floats([0.1, float("nan"), 0.2, float("nan")], channels=2))
    np.testing.assert_array_equal(audio.read(path, sample_rate=RATE, channel=0), np.array([0.1, 0.2], np.float32))


def test_opposite_infinities_do_not_cancel_out(tmp_path: Path) -> None:
    path = tmp_path / "infinite.wav"
    path.write_bytes(floats([float("inf"), float("-inf")], channels=2))
    with pytest.raises(BadAudio, match="sample 0 is nan"):
        audio.read(path, sample_rate=RATE)


def test_integers_stored_as_floats_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "integers.wav"
    path.write_bytes(floats([2.0**31, -(2.0**31)]))
    np.testing.assert_array_equal(audio.read(path, sample_rate=RATE), np.array([2.0**31, -(2.0**31)], np.float32))


def test_a_file_truncated_after_its_header_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shrinking.wav"
    path.write_bytes(wav())
    read_any_header = io.read_any_header

    def read_header_then_shrink(file: object, containers: object) -> audio.AudioInfo:
        info = read_any_header(file, containers)
        path.write_bytes(wav()[:10_044])
        return info

    monkeypatch.setattr(io, "read_any_header", read_header_then_shrink)
    with pytest.raises(BadAudio, match="cut short: its header states 16000 samples, 5000 could be read"):
        audio.read(path, sample_rate=RATE)


RATES = st.sampled_from([1000, 8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 17_123])


@settings(max_examples=examples(60), deadline=None)
@given(rate=RATES, wanted=RATES, samples=st.integers(1, 3000), channels=st.integers(1, 5), data=st.data())
def test_a_wave_has_the_planned_length(
    tmp_path_factory: pytest.TempPathFactory, rate: int, wanted: int, samples: int, channels: int, data: st.DataObject
) -> None:
    container = data.draw(st.sampled_from(["WAV", "FLAC"]))
    subtype = data.draw(st.sampled_from(["PCM_16", "PCM_24"]))
    channel = data.draw(st.sampled_from(["mean", *range(channels)]))
    noise = np.random.default_rng(samples).uniform(-1, 1, (samples, channels))
    path = tmp_path_factory.getbasetemp() / "planned.wav"
    path.write_bytes(encoded(noise, subtype, container, rate))
    info = audio.check(path, channel=channel)
    wave = audio.read(path, sample_rate=wanted, channel=channel)
    assert len(wave) == audio.samples_at(info, wanted) == math.ceil(samples * wanted / rate)
    assert wave.dtype in (np.int16, np.float32)
    assert np.isfinite(wave).all()


@pytest.mark.parametrize("with_soxr", [True, False], ids=["soxr", "scipy"])
@pytest.mark.parametrize(("rate", "wanted"), [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000)])
def test_a_resampled_tone_keeps_its_phase(
    rate: int, wanted: int, with_soxr: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_soxr:
        monkeypatch.setitem(sys.modules, "soxr", None)
    path = tmp_path / "tone.wav"
    tone = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(rate) / rate)
    path.write_bytes(encoded(tone, "FLOAT", "WAV", rate))
    wave = audio.read(path, sample_rate=wanted)
    expected = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(wanted) / wanted)
    edge = wanted // 50  # the filter looks beyond the ends
    np.testing.assert_allclose(wave[edge:-edge], expected[edge:-edge], atol=2e-3)


@pytest.mark.parametrize("with_soxr", [True, False], ids=["soxr", "scipy"])
def test_frequencies_above_the_new_rate_are_removed(
    with_soxr: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_soxr:
        monkeypatch.setitem(sys.modules, "soxr", None)
    path = tmp_path / "high.wav"
    path.write_bytes(encoded(0.5 * np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000), "FLOAT", "WAV", 48_000))
    wave = audio.read(path, sample_rate=16_000)
    assert np.sqrt(np.mean(wave[500:-500] ** 2)) < 1e-3 * 0.5 / np.sqrt(2)  # -60 dB


@pytest.mark.parametrize("with_soxr", [True, False], ids=["soxr", "scipy"])
@pytest.mark.parametrize(("rate", "wanted"), [(48_000, 16_000), (16_000, 16_000), (1000, 16_000), (44_100, 16_000)])
@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_give_the_wave_read_whole(
    rate: int, wanted: int, channels: int, with_soxr: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_soxr:
        monkeypatch.setitem(sys.modules, "soxr", None)
    frames = np.random.default_rng(0).normal(0, 0.1, (20_011, channels))
    path = tmp_path / "long.wav"
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        path.write_bytes(encoded(frames, subtype, "WAV", rate))
        whole = audio.read(path, sample_rate=wanted)
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "_BLOCK", 1000)
            np.testing.assert_array_equal(audio.read(path, sample_rate=wanted), whole)

    path.write_bytes(floats([*np.zeros(15_000), float("nan")]))
    monkeypatch.setattr(decoding, "_BLOCK", 1000)
    with pytest.raises(BadAudio, match="sample 15000 is nan"):
        audio.read(path, sample_rate=wanted)


def test_a_recording_too_long_is_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    size = 2 * (decoding.MAX_SAMPLES // 16 + 1)
    path.write_bytes(wav(b"", rate=1000, size=size))
    os.truncate(path, 44 + size)  # a sparse file
    reason = r"too long: 18.64 h; expected at most 18.64 h at 16000 Hz; cut it into parts"
    assert audio.too_long(audio.inspect(path), 16_000) == reason
    assert not audio.too_long(audio.inspect(path), 15_999)
    with pytest.raises(BadAudio, match=reason):
        audio.read(path, sample_rate=16_000)


def test_too_little_memory_is_a_bad_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    monkeypatch.setattr(decoding, "_joined", fail)
    with pytest.raises(BadAudio, match="1 s long: there is not enough memory to decode it"):
        audio.read(path, sample_rate=RATE)


def test_resampling_starts_from_full_scale_one(tmp_path: Path) -> None:
    path = tmp_path / "plain.wav"
    path.write_bytes(wav(np.full(4000, 16384, np.int16).tobytes()))
    np.testing.assert_allclose(audio.read(path, sample_rate=8000)[500:1500], 0.5, atol=1e-3)


@pytest.mark.parametrize(
    ("wave", "silent"),
    [
        (np.zeros(10, np.int16), True),
        (np.full(10, 7, np.int16), True),
        (np.full(10, -0.25, np.float32), True),
        (np.array([7, 6, 8], np.int16), True),  # dither
        (np.array([0, 0, 3], np.int16), False),
        (np.array([0, np.nan], np.float32), False),
        (np.array([0, 1e-9], np.float32), False),
        (SECOND, False),
    ],
)
def test_only_a_wave_that_is_constant_but_for_dither_is_silent(wave: audio.Wave, silent: bool) -> None:
    assert audio.is_silent(wave) is silent


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW"])
def test_silence_is_recognised_before_resampling(subtype: str, rate: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((rate, 2), 0.25), rate, subtype=subtype)
    assert audio.decode(path, sample_rate=16000).silence == audio.SILENT


@pytest.mark.parametrize(("subtype", "step"), [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23)])
def test_dither_of_any_format_is_silence_and_three_steps_are_not(subtype: str, step: float, tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(-1, 2, (4000, 2))
    for sound, silence in ((steps, audio.SILENT), (3 * steps, "")):
        soundfile.write(tmp_path / "a.wav", 0.25 + sound * step, 16000, subtype=subtype)
        decoded = audio.decode(tmp_path / "a.wav", sample_rate=16000, channel=0)
        assert decoded.silence == silence


def test_real_recordings_are_read_unchanged(shared_data: Path) -> None:
    paths = sorted((shared_data / "mimii_fixture" / "valve").rglob("*.wav"))
    assert paths
    for path in paths:
        expected, rate = soundfile.read(path, dtype="int16")
        np.testing.assert_array_equal(audio.read(path, sample_rate=rate), expected)


def test_importing_audio_imports_no_decoder() -> None:
    code = "import sys, asdkit.audio, asdkit.data; print({'soundfile', 'soxr', 'scipy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
