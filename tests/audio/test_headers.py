"""Looking at a recording: bad ones are named with a reason, good ones described."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit import audio
from asdkit.errors import BadAudio, ExitCode
from tests.helpers.audio_corpus import BAD, GOOD, NEEDS_A_USER, RATE, SECOND, Bad, wav, within


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def make(bad: Bad, folder: Path) -> Path:
    if bad.name in NEEDS_A_USER and os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    path = folder / bad.name
    bad.make(path)
    return path


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_file_is_refused_before_training_with_one_line_that_says_why(bad: Bad, tmp_path: Path) -> None:
    path = make(bad, tmp_path)
    with within(5), pytest.raises(BadAudio) as refusal:
        audio.check(path)
    assert bad.reason in refusal.value.reason
    assert str(refusal.value) == f"{path}: {refusal.value.reason}"
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code is ExitCode.DATA


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_reading_refuses_what_the_check_refuses_and_for_the_same_reason(bad: Bad, tmp_path: Path) -> None:
    path = make(bad, tmp_path)
    with within(5), pytest.raises(BadAudio) as refusal:
        audio.read(path, sample_rate=RATE)
    with pytest.raises(BadAudio) as check:
        audio.check(path)
    assert refusal.value.reason == check.value.reason


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_described_as_libsndfile_describes_it(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, name, GOOD[name])
    info = audio.check(path)
    with path.open("rb") as file:
        expected = soundfile.info(file)
    assert (info.sample_rate, info.channels, info.samples) == (
        expected.samplerate,
        expected.channels,
        expected.frames,
    )
    if expected.subtype != "PCM_S8":  # FLAC's 8 bits
        assert info.subtype == expected.subtype
    assert info == audio.inspect(path)


def test_the_length_is_told_in_seconds(tmp_path: Path) -> None:
    assert audio.inspect(put(tmp_path, "a.wav", wav(SECOND[:4000].tobytes()))).seconds == 0.25


def test_a_header_that_leaves_its_length_open_is_accepted_and_said(tmp_path: Path) -> None:
    assert audio.inspect(put(tmp_path, "streamed.wav", GOOD["streamed.wav"])).streamed
    assert not audio.inspect(put(tmp_path, "plain.wav", GOOD["plain.wav"])).streamed


def test_a_link_to_a_recording_is_as_good_as_the_recording(tmp_path: Path) -> None:
    put(tmp_path, "real.wav", wav())
    (tmp_path / "link.wav").symlink_to("real.wav")
    assert audio.check(tmp_path / "link.wav") == audio.check(tmp_path / "real.wav")


def test_a_path_too_long_for_the_system_is_refused() -> None:
    with pytest.raises(BadAudio, match="longer than the system allows"):
        audio.check(Path("/" + "a" * 5000 + ".wav"))


def test_a_file_as_part_of_a_path_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", wav())
    with pytest.raises(BadAudio, match="part of its path is not a folder"):
        audio.check(tmp_path / "a.wav" / "b.wav")


def test_an_undecodable_name_is_shown_escaped(tmp_path: Path) -> None:
    path = put(tmp_path, os.fsdecode(b"caf\xe9\n.wav"), b"")
    with pytest.raises(BadAudio) as refusal:
        audio.check(path)
    assert refusal.value.path == f"{tmp_path}/caf\\xe9\\x0a.wav"


def test_a_sound_in_two_chunks_of_notes_is_not_taken_for_a_crashed_recorder(tmp_path: Path) -> None:
    with pytest.raises(BadAudio) as refusal:
        audio.check(put(tmp_path, "a.wav", GOOD["notes-last.wav"].replace(b"data\0}\0\0", b"data\0\0\0\0")))
    assert "recorder probably crashed" in refusal.value.reason


@settings(max_examples=400, deadline=None)
@given(
    base=st.sampled_from(["plain.wav", "extensible.wav", "rf64.wav", "float.wav", "24-bit.wav", "16-bit.flac"]),
    changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 200)),
)
def test_a_mutated_header_is_refused_or_read_in_full(
    tmp_path_factory: pytest.TempPathFactory, base: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    content = bytearray(GOOD[base])
    for position, value in changes:
        content[position] = value
    path = put(tmp_path_factory.getbasetemp(), "mutant.wav", bytes(content[:cut]))
    with within(5):
        try:
            info = audio.check(path)
        except BadAudio:
            return
        wave = audio.read(path, sample_rate=info.sample_rate)
    assert len(wave) == info.samples
