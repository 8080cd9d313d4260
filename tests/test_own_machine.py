"""`asdkit init`: from a folder of healthy recordings to verdicts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asdkit.bundle import CalibrationScores, Calibrator, ThresholdRule
from asdkit.cli import app
from asdkit.data.inventory import take_inventory
from asdkit.data.level_spread import level_spread
from asdkit.errors import DataError
from asdkit.layouts.clip import Clip
from asdkit.run.jobs import PlannedClip, hold_out
from asdkit.spec import load_spec
from asdkit.spec.init_spec import (
    FALSE_ALARM_RATES,
    choose_calibration,
    clips_needed,
    held_out_needed,
    most_held_out,
    propose_spec,
)
from asdkit.spec.settings import held_out_clips
from tests.helpers.rooms import write_clip
from tests.own_machine import medians, verdicts


def test_every_number_of_clips_follows_one_rule():
    reached = {rate: clips_needed(rate) for rate in FALSE_ALARM_RATES}
    assert reached == {0.01: 296, 0.05: 56, 0.1: 26}
    for clips in range(1, 3001):
        choice = choose_calibration(clips)
        assert held_out_clips(clips, choice.held_out) == choice.clips < clips
        supported = [rate for rate, needed in reached.items() if clips >= needed]
        assert choice.supported == bool(supported)
        assert choice.false_alarm_rate == min(supported, default=FALSE_ALARM_RATES[-1])
        calibrator = Calibrator(
            {"00": CalibrationScores(np.arange(choice.clips))}, ThresholdRule(choice.false_alarm_rate)
        )
        assert choice.supported == calibrator.supports("00")


@given(st.integers(1, 300), st.floats(0, 0.999))
def test_a_run_holds_out_the_stated_number(clips, share):
    planned = [PlannedClip(Clip(Path(f"{i}"), f"{i}", "fan", "00", "train", 0), 1, 1) for i in range(clips)]
    assert len(hold_out(planned, share, 0)) == held_out_clips(clips, share) < clips


@given(st.floats(0.001, 0.9))
def test_as_many_clips_as_a_rate_needs(rate):
    needed = held_out_needed(rate)
    assert 1 / (needed + 1) <= rate * (1 + 1e-6)
    assert needed <= 0 or 1 / needed > rate * (1 - 1e-6)
    assert most_held_out(clips_needed(rate)) >= needed > most_held_out(clips_needed(rate) - 1)


@pytest.mark.parametrize(
    ("clips", "rate", "held"), [(8, 0.1, 3), (25, 0.1, 8), (26, 0.1, 9), (60, 0.05, 19), (297, 0.01, 99)]
)
def test_the_lowest_supported_rate_is_chosen(clips, rate, held):
    choice = choose_calibration(clips)
    assert (choice.false_alarm_rate, choice.clips) == (rate, held)
    assert choice.supported == (clips >= 26)


def flat(folder: Path, clips: int, **kind: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(clips):
        write_clip(folder / f"take {i}.wav", i, **kind)
    return folder


@pytest.mark.parametrize("name", ["mine", "a b", 'quo"te', "back\\slash", "ünï ♥", "#1 = [x]", "'", "plots", "..dots"])
def test_any_folder_name_gives_a_valid_spec(tmp_path, name):
    root = flat(tmp_path / name, 3)
    proposal = propose_spec(take_inventory(root), root, tmp_path)
    path = tmp_path / "spec.toml"
    path.write_text(proposal.text, encoding="utf-8")
    spec = load_spec(path)
    assert spec.data.root == root
    assert spec.name == proposal.name
    assert {m for s in spec.systems.values() for m in s.members} == set(spec.detectors)


@pytest.mark.parametrize(
    ("seconds", "long_frame", "frames"), [(1, 2048, 31), (3, 4096, 32), (0.7, 2048, 21), (0.1, 1024, 3)]
)
def test_frames_depend_on_the_length_of_the_clips(tmp_path, seconds, long_frame, frames):
    root = flat(tmp_path / "mine", 4, seconds=seconds)
    (tmp_path / "spec.toml").write_text(propose_spec(take_inventory(root), root, tmp_path).text, encoding="utf-8")
    spec = load_spec(tmp_path / "spec.toml")
    assert set(spec.systems["all"].members) == set(spec.detectors)
    assert spec.detectors["spectrum"].featurizer.config.n_fft == long_frame
    assert spec.detectors["moments"].frames == frames
    assert spec.data.sample_rate == 8000  # that of the recordings


@pytest.mark.parametrize("seconds", [0.05, 0.6, 0.99])
def test_clips_shorter_than_a_second_pass_the_check(asdkit, tmp_path, seconds):
    flat(tmp_path / "mine", 4, seconds=seconds)
    written = asdkit("init", "mine")
    assert written.returncode == 0, written.stderr
    assert f"{seconds} s each" in (tmp_path / "spec.toml").read_text(encoding="utf-8")
    checked = asdkit("check", "spec.toml")
    assert checked.returncode == 0, checked.stderr


def test_the_settings_for_higher_frequencies_are_valid(tmp_path):
    root = tmp_path / "mine"
    root.mkdir()
    for number in range(4):
        soundfile.write(root / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 48_000), 48_000)
    text = propose_spec(take_inventory(root), root, tmp_path).text
    hint = " ".join(re.findall("^# (If faults .*|of spectrum .*)$", text, re.MULTILINE))
    rate, n_fft, hop, long_frame, short_frame, short_hop = map(int, re.findall(r" = (\d+)", hint))
    assert rate == 48_000
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    sets = [f"data.sample_rate={rate}", f"featurizers.logmel.n_fft={n_fft}", f"featurizers.logmel.hop_length={hop}"]
    sets += [f"featurizers.fast.n_fft={short_frame}", f"featurizers.fast.hop_length={short_hop}"]
    spec = load_spec(tmp_path / "spec.toml", sets=[*sets, f"featurizers.spectrum.n_fft={long_frame}"])
    moments = spec.detectors["moments"]
    assert moments.frames * moments.featurizer.config.hop_length <= rate  # in clips of 1 s


@pytest.mark.parametrize(("channels", "named"), [((1, 1), False), ((2, 2), True), ((2, 1), False), ((3, 3), False)])
def test_far_subtract_is_named_where_all_clips_have_two_channels(tmp_path, channels, named):
    (tmp_path / "mine").mkdir()
    for number, count in enumerate(channels):
        noise = np.random.default_rng(number).normal(0, 0.1, (8000, count))
        soundfile.write(tmp_path / "mine" / f"{number}.wav", noise, 8000)
    text = propose_spec(take_inventory(tmp_path / "mine"), tmp_path / "mine", tmp_path).text
    assert ('channel = "far-subtract"' in text) == named
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    assert load_spec(tmp_path / "spec.toml").data.channel == "mean"  # named in a comment alone
    sets = ["data.channel=far-subtract"]
    assert load_spec(tmp_path / "spec.toml", sets=sets).data.channel == "far-subtract"


def test_the_spread_of_levels_is_measured_and_said(tmp_path):
    root = tmp_path / "mine"
    root.mkdir()
    levels = np.array([-30.0, -24.0, -20.0, -33.0])  # dB
    for number, level in enumerate(levels):
        wave = np.sin(np.arange(16_000) / 10)
        soundfile.write(root / f"{number}.wav", wave / wave.std() * 10 ** (level / 20), 16_000, subtype="FLOAT")
    soundfile.write(root / "silent.wav", np.zeros(16_000), 16_000)
    (root / "broken.wav").write_bytes(b"RIFF")
    inventory = take_inventory(root)
    assert level_spread(inventory.clips, 16_000) == pytest.approx(levels.std(ddof=1), abs=0.01)
    assert f"standard deviation of {levels.std(ddof=1):.1f} dB" in propose_spec(inventory, root, tmp_path).text
    assert level_spread(inventory.clips[:1], 16_000) is None


def test_notes_say_what_few_clips_cannot_support(tmp_path):
    root = flat(tmp_path / "mine", 8)
    notes = "\n".join(propose_spec(take_inventory(root), root, tmp_path).notes)
    assert "8 clips cannot support a false-alarm rate of 10%: 3 held-out clips can guarantee none below 1 in 4" in notes
    assert "26 clips of each id would support it" in notes
    one = flat(tmp_path / "one", 1)
    assert "no p-values" in "\n".join(propose_spec(take_inventory(one), one, tmp_path).notes)


def test_broken_recordings_are_left_out_and_counted(tmp_path):
    root = flat(tmp_path / "mine", 3)
    (root / "bad.wav").write_bytes(b"RIFF")
    proposal = propose_spec(take_inventory(root), root, tmp_path)
    assert 'on_bad_audio = "skip"' in proposal.text
    assert "1 recording is broken" in proposal.text


def test_a_folder_without_training_clips_is_refused(tmp_path):
    flat(tmp_path / "room" / "fan" / "test" / "normal", 2)
    with pytest.raises(DataError, match="no training recordings"):
        propose_spec(take_inventory(tmp_path / "room"), tmp_path / "room", tmp_path)


def test_init_never_overwrites_and_prints_next_commands(asdkit, tmp_path):
    flat(tmp_path / "mine", 3)
    written = asdkit("init", "mine")
    assert written.returncode == 0, written.stderr
    assert written.stdout.splitlines() == ["asdkit run spec.toml", "asdkit score runs/mine NEW_RECORDINGS"]
    before = (tmp_path / "spec.toml").read_bytes()
    again = asdkit("init", "mine")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert (tmp_path / "spec.toml").read_bytes() == before
    assert asdkit("init", "nowhere").returncode == 3
    (tmp_path / "empty").mkdir()
    assert asdkit("init", "empty", "-o", "other.toml").returncode == 3
    assert not (tmp_path / "other.toml").exists()


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("nowhere", "no such folder"),
        ("empty", "contains no recordings or other files"),
        ("foreign", "contains no recordings, only files of other kinds (2 .mp3, 1 .txt)"),
        ("foreign/notes.txt", "a file, not a folder"),
        ("deep", "its recordings (a/b/c/0000.wav, ...) are in folders that fit no layout"),
    ],
)
def test_init_explains_why_a_folder_is_unusable(tmp_path, monkeypatch, folder, reason):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "foreign"):
        (tmp_path / name).mkdir()
    for name in ("notes.txt", "a.mp3", "b.MP3"):
        (tmp_path / "foreign" / name).write_text("no sound")
    (tmp_path / "deep/a/b/c").mkdir(parents=True)
    (tmp_path / "deep/a/b/c/0000.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError) as caught:
        app(["init", folder], standalone_mode=False)
    assert caught.value.message == f"{folder}: {reason}"
    assert "healthy recordings of one machine, WAV or FLAC" in caught.value.hint
    assert len(str(caught.value).splitlines()) == 2
    assert not (tmp_path / "spec.toml").exists()


def test_eight_clips_give_p_values_and_state_limits(asdkit, shared_data, tmp_path):
    fan = shared_data / "mimii_fixture" / "fan"
    train, test = sorted(fan.glob("train/normal_id_00_*.wav")), sorted(fan.glob("test/*_id_00_*.wav"))
    rows, output, seconds = verdicts(tmp_path, train, test, seed=0, runner=asdkit)
    normal, anomaly = medians(rows)
    assert anomaly < normal
    assert "3 held-out clips of id 00 support no rate below 1 in 4" in output
    assert "healthy recordings with the highest scores of all" in output
    assert seconds < 300


def test_the_demo_and_the_benchmark_have_the_proposed_system(tmp_path):
    for number in range(4):
        wave = np.random.default_rng(number).normal(0, 0.1, 48_000)
        soundfile.write(tmp_path / f"{number}.wav", wave, 16_000)
    (tmp_path / "spec.toml").write_text(propose_spec(take_inventory(tmp_path), tmp_path, tmp_path).text)
    proposed = load_spec(tmp_path / "spec.toml")
    for path in ("plugins/asdkit_demo/demo.toml", "specs/views.toml"):
        spec = load_spec(Path(__file__).parents[1] / path)
        assert spec.systems["all"] == proposed.systems["all"]
        for name in proposed.systems["all"].members:
            own, theirs = proposed.detectors[name], spec.detectors[name]
            assert theirs.featurizer.canonical() == own.featurizer.canonical()
            assert replace(theirs, featurizer=own.featurizer) == own
