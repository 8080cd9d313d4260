"""Headers: bad recordings are refused with a reason, good ones described."""

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
from tests.helpers.properties import examples


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def make(bad: Bad, folder: Path) -> Path:
    if bad.name in NEEDS_A_USER and os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = folder / bad.name
    bad.make(path)
    return path


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_file_is_refused_with_one_line(bad: Bad, tmp_path: Path) -> None:
    path = make(bad, tmp_path)
    with within(5), pytest.raises(BadAudio) as checked:
        audio.check(path)
    assert bad.reason in checked.value.reason
    assert str(checked.value) == f"{path}: {checked.value.reason}"
    assert "\n" not in str(checked.value)
    assert checked.value.exit_code is ExitCode.DATA
    with within(5), pytest.raises(BadAudio) as decoded:
        audio.read(path, sample_rate=RATE)
    assert decoded.value.reason == checked.value.reason


@pytest.mark.parametrize("name", GOOD)
def test_a_header_matches_libsndfile(name: str, tmp_path: Path) -> None:
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


def test_the_length_in_seconds(tmp_path: Path) -> None:
    assert audio.inspect(put(tmp_path, "a.wav", wav(SECOND[:4000].tobytes()))).seconds == 0.25


def test_an_open_length_is_accepted_and_marked(tmp_path: Path) -> None:
    assert audio.inspect(put(tmp_path, "streamed.wav", GOOD["streamed.wav"])).streamed
    assert not audio.inspect(put(tmp_path, "plain.wav", GOOD["plain.wav"])).streamed


def test_a_link_to_a_recording_is_accepted(tmp_path: Path) -> None:
    put(tmp_path, "real.wav", wav())
    (tmp_path / "link.wav").symlink_to("real.wav")
    assert audio.check(tmp_path / "link.wav") == audio.check(tmp_path / "real.wav")


def test_a_path_too_long_is_refused() -> None:
    with pytest.raises(BadAudio, match="longer than the system allows"):
        audio.check(Path("/" + "a" * 5000 + ".wav"))


def test_a_file_as_a_parent_folder_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", wav())
    with pytest.raises(BadAudio, match="part of its path is not a folder"):
        audio.check(tmp_path / "a.wav" / "b.wav")


def test_an_undecodable_name_is_escaped(tmp_path: Path) -> None:
    path = put(tmp_path, os.fsdecode(b"caf\xe9\n.wav"), b"")
    with pytest.raises(BadAudio) as error:
        audio.check(path)
    assert error.value.path == f"{tmp_path}/caf\\xe9\\x0a.wav"


def test_samples_without_a_length_mean_a_crash(tmp_path: Path) -> None:
    with pytest.raises(BadAudio) as error:
        audio.check(put(tmp_path, "a.wav", GOOD["notes-last.wav"].replace(b"data\0}\0\0", b"data\0\0\0\0")))
    assert "recorder probably crashed" in error.value.reason


@settings(max_examples=examples(200), deadline=None)
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
