"""Channels that cancel in their mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asdkit import audio
from tests.helpers.audio_corpus import RATE, encoded

RNG = np.random.default_rng(0)
SOUND = np.sin(2 * np.pi * 120 * np.arange(RATE) / RATE) + 0.3 * RNG.normal(size=RATE)
OTHER = RNG.normal(size=RATE)


def stack(*channels: np.ndarray, scale: float = 0.1) -> np.ndarray:
    return (scale * np.stack(channels, axis=1)).astype(np.float32)


@pytest.mark.parametrize(
    ("frames", "cancels"),
    [
        (stack(SOUND, -SOUND), True),
        (stack(SOUND, -0.7 * SOUND), True),
        (stack(SOUND + 0.1 * OTHER, 0.1 * OTHER[::-1] - SOUND), True),
        (stack(SOUND, -SOUND, 0.1 * OTHER), True),
        (stack(SOUND, OTHER, -SOUND, -OTHER), True),
        (stack(SOUND + 30, -SOUND + 30), True),  # constant offsets are no sound
        (stack(SOUND, SOUND), False),
        (stack(SOUND + 30, SOUND - 30), False),
        (stack(SOUND, OTHER), False),
        (stack(SOUND, 0 * SOUND), False),
        (stack(SOUND, -0.1 * SOUND), False),
        (stack(*RNG.normal(size=(64, RATE))), False),
        (stack(SOUND), False),
        (stack(0 * SOUND, 0 * SOUND), False),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_channels_of_opposite_sign_cancel(frames: np.ndarray, cancels: bool, kind: type) -> None:
    assert audio.cancels(frames if kind is np.float32 else (frames * 9000).astype(np.int16)) is cancels


def test_decoding_tells_that_channels_cancel(tmp_path: Path) -> None:
    path = tmp_path / "balanced.wav"
    path.write_bytes(encoded(stack(SOUND, -SOUND), container="WAV"))
    assert audio.decode(path, sample_rate=RATE).cancels
    assert audio.decode(path, sample_rate=8000).cancels
    assert not audio.decode(path, sample_rate=RATE, channel=0).cancels


def test_the_middle_tells_that_channels_cancel(tmp_path: Path) -> None:
    path = tmp_path / "balanced"
    for container in ("WAV", "FLAC"):
        path.write_bytes(encoded(stack(SOUND, -SOUND), container=container))
        assert audio.mean_cancels(path, audio.inspect(path))
    path.write_bytes(encoded(stack(SOUND), container="WAV"))
    assert not audio.mean_cancels(path, audio.inspect(path))


def test_a_wave_without_the_machine_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    reasons = []
    for frames in (stack(SOUND, SOUND), stack(SOUND, -SOUND), stack(0 * SOUND, 0 * SOUND)):
        path.write_bytes(encoded(frames, container="WAV"))
        reasons.append(audio.decode(path, sample_rate=RATE).silence)
    assert reasons == ["", audio.CANCELLED, audio.SILENT]


@pytest.mark.parametrize("kind", [np.float32, np.int16])
@pytest.mark.parametrize("channels", [2, 7, 64])
def test_the_mean_does_not_depend_on_blocks(channels: int, kind: type, tmp_path: Path) -> None:
    frames = RNG.integers(-9999, 9999, (40_000, channels)).astype(kind)
    path = tmp_path / "noise.wav"
    path.write_bytes(encoded(frames, "PCM_16" if kind is np.int16 else "FLOAT", "WAV"))
    mean = frames[:, 0].astype(np.float32)
    for other in range(1, channels):
        mean += frames[:, other]
    mean /= channels * (32768 if kind is np.int16 else 1)
    np.testing.assert_array_equal(audio.read(path, sample_rate=RATE), mean)
