"""Containers other than WAV and FLAC: refused with a hint, accepted where a spec allows them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from asdkit import audio
from asdkit.audio.io import SUFFIXES
from asdkit.errors import BadAudio

RATE = 16000
TONE = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
LOSSY = {"mp3", "ogg"}


@pytest.fixture(params=sorted(SUFFIXES))
def kind(request):
    if request.param.upper() not in soundfile.available_formats():
        pytest.skip(f"this libsndfile does not support {request.param}")
    return request.param


@pytest.fixture
def recording(kind, tmp_path):
    path = tmp_path / f"tone{SUFFIXES[kind][0]}"
    soundfile.write(path, TONE, RATE, format=kind.upper())
    return path


@pytest.mark.parametrize("use", [audio.inspect, audio.check, lambda path: audio.read(path, sample_rate=RATE)])
def test_a_container_not_allowed_names_the_key(kind, recording, use):
    with pytest.raises(BadAudio) as error:
        use(recording)
    assert "expected WAV or FLAC" in error.value.reason
    assert f'data.containers = ["{kind}"]' in error.value.reason


def test_an_allowed_container_is_read(kind, recording):
    info = audio.check(recording, containers=(kind,))
    assert (info.sample_rate, info.channels, info.container) == (RATE, 1, kind.upper())
    assert info == audio.inspect(recording, containers=(kind,))
    wave = audio.read(recording, sample_rate=RATE, containers=(kind,))
    assert len(wave) == info.samples == len(TONE)
    scaled = wave / 32768 if wave.dtype == np.int16 else wave
    np.testing.assert_allclose(scaled, TONE, atol=0.02 if kind in LOSSY else 1e-4)


def test_damaged_containers_are_refused_or_read_in_full(kind, recording):
    data = recording.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        mutant = bytearray(data)
        for at in rng.integers(4, min(200, len(data)), 8):
            mutant[at] = int(rng.integers(256))
        recording.write_bytes(bytes(mutant[: int(rng.integers(8, len(mutant)))]))
        try:
            info = audio.check(recording, containers=(kind,))
        except BadAudio:
            continue
        assert len(audio.read(recording, sample_rate=info.sample_rate, containers=(kind,))) == info.samples


@pytest.mark.parametrize(
    ("names", "containers", "line"),
    [
        (["a.wav", "b.FLAC", "notes.txt", "c"], (), ""),
        (["a.mp3", "sub/b.MP3"], (), '2 .mp3; data.containers = ["mp3"] in a spec reads .mp3'),
        (["a.mp3"], ("mp3",), ""),
        (["a.wave", "b.w64", "c.w64"], (), "2 .w64, 1 .wave; convert .w64, .wave to WAV or FLAC"),
        (
            ["a.aif", "b.opus", "c.m4a"],
            (),
            '1 .aif, 1 .m4a, 1 .opus; data.containers = ["aiff", "ogg"] in a spec reads .aif, .opus; '
            "convert .m4a to WAV or FLAC",
        ),
    ],
)
def test_other_audio_files_are_counted_by_suffix(names, containers, line):
    unread = audio.UnreadFiles(containers)
    for name in [*names, *names]:  # each counts once
        unread.add(name)
    assert unread.line() == (line and f"audio files not read: {line}")


def test_a_run_and_its_bundle_accept_allowed_containers(asdkit, tmp_path):
    rng = np.random.default_rng(0)
    for index in range(12):
        path = tmp_path / "recordings" / "fan" / ("train" if index < 10 else "test") / f"{index}.ogg"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.normal(0, 0.1, RATE), RATE)
    spec = tmp_path / "spec.toml"
    spec.write_text("""
asdkit = 1
[data]
layout = "folder"
root = "recordings"
[featurizers.mel]
use = "log-mel"
[detectors.L]
use = "mahalanobis"
[systems.one]
members = ["L"]
""")
    refused = asdkit("run", spec, "--out", "run")
    assert refused.returncode == 3
    ran = asdkit("run", spec, "--out", "run", "--set", 'data.containers=["ogg"]')
    assert ran.returncode == 0, ran.stderr
    scored = asdkit("score", "run", "recordings/fan/test", "--format", "jsonl")
    assert scored.returncode == 0, scored.stderr
    assert [json.loads(line)["path"] for line in scored.stdout.splitlines()] == [
        f"recordings/fan/test/{index}.ogg" for index in (10, 11)
    ]
