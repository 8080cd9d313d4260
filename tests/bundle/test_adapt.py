"""`asdkit adapt`: thresholds and z-scores of new healthy clips, moved means, dropped clips, what is recorded."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
import soundfile

from asdkit.bundle import Bundle
from asdkit.bundle.archive import pack, unpack
from asdkit.run.state_codec import decode_state
from tests.helpers.rooms import write_clip

CLIPS = 12


@pytest.fixture(scope="session")
def another_day(tmp_path_factory):
    """Healthy clips of id 00, recorded with another microphone: treble is weaker."""
    folder = tmp_path_factory.mktemp("day")
    for number in range(CLIPS):
        path = folder / f"normal_id_00_{number:08}.wav"
        write_clip(path, 5000 + number)
        wave, rate = soundfile.read(path)
        spectrum = np.fft.rfft(wave)
        spectrum *= 1 / (1 + 3 * np.linspace(0, 1, len(spectrum)))
        soundfile.write(path, np.fft.irfft(spectrum, len(wave)), rate)
    return folder


@pytest.fixture(scope="session")
def held_back(another_day, tmp_path_factory):
    """The last two clips of that day, which no bundle is adapted to."""
    folder = tmp_path_factory.mktemp("rest")
    for path in sorted(another_day.iterdir())[-2:]:
        shutil.move(path, folder / path.name)
    return folder


def p_values(path, folder):
    bundle = Bundle.load(path)
    return [bundle.score(*soundfile.read(clip), id="00").p_value for clip in sorted(folder.iterdir())]


def test_new_healthy_clips_set_thresholds_and_z_scores(asdkit, exported, another_day, held_back, tmp_path):
    new = tmp_path / "new.asdkit"
    command = asdkit("adapt", exported, "--healthy", another_day, "-o", new)
    assert command.returncode == 0, command.stderr
    assert "adapted to 10 recordings of id 00" in command.stderr
    assert "10 clips held out of id 00 support none below 1 in 11" in command.stderr
    before, after = Bundle.load(exported), Bundle.load(new)
    assert max(p_values(exported, held_back)) <= before.calibrator.scores["00"].supported_rate
    assert min(p_values(new, held_back)) > after.calibrator.scores["00"].supported_rate
    assert [part.held_out for part in after.description.ids] == [10, 10]
    assert len(after.member_scores["02"]) == 10
    assert (after.member_scores["02"] == before.member_scores["02"]).all()
    (record,) = after.description.adapted
    assert record.source == hashlib.sha256(exported.read_bytes()).hexdigest()
    assert record.clips == {"00": 10}
    assert record.at.endswith("+00:00")
    assert any(clip.name.startswith(str(another_day)) for clip in after.healthy_clips("00"))


def test_recentring_moves_means_and_keeps_the_rest(asdkit, exported, another_day, held_back, tmp_path):
    new = tmp_path / "new.asdkit"
    command = asdkit("adapt", exported, "--healthy", another_day, "-o", new, "--recentre")
    assert command.returncode == 0, command.stderr
    assert "recentred: K, I" in command.stderr
    (file,) = {part.states["00"] for part in Bundle.load(new).description.members if part.name == "I"}
    old_state, new_state = (decode_state(unpack(path)[file]) for path in (exported, new))
    changed = [key for key, value in old_state.items() if not np.array_equal(value, new_state[key])]
    assert changed == ["standard.means"]
    assert min(p_values(new, held_back)) > 1 / 11
    before, after = Bundle.load(exported), Bundle.load(new)
    clip = soundfile.read(next(held_back.iterdir()))
    assert after.score(*clip, id="00").members["I"] < before.score(*clip, id="00").members["I"]


def test_dropped_clips_are_listed(asdkit, exported, another_day, held_back, tmp_path):
    first, second = sorted(another_day.iterdir())[:2]
    shutil.copy(first, tmp_path / "copy_id_00_1.wav")
    soundfile.write(tmp_path / "silent_id_00_2.wav", np.zeros(8000), 8000)
    (tmp_path / "bad_id_00_3.wav").write_bytes(b"no audio")
    shutil.copy(second, tmp_path / "normal_id_07_4.wav")
    given = [first, tmp_path, second, "-o", tmp_path / "new.asdkit"]
    command = asdkit("adapt", exported, "--healthy", *given)
    assert command.returncode == 1
    dropped = "\n".join(line for line in command.stderr.splitlines() if line.startswith("dropped: "))
    for reason in ("the same sound as", "silent;", "bad_id_00_3.wav", "of no known id; name it with --id"):
        assert reason in dropped
    assert Bundle.load(tmp_path / "new.asdkit").description.adapted[0].clips == {"00": 2}


def test_names_that_say_anomaly_are_not_read(asdkit, exported, another_day, held_back, tmp_path):
    for word in ("normal", "anomaly"):
        (tmp_path / word).mkdir()
        for path in another_day.iterdir():
            shutil.copy(path, tmp_path / word / path.name.replace("normal", word))
        assert (
            asdkit("adapt", exported, "--healthy", tmp_path / word, "-o", tmp_path / f"{word}.asdkit").returncode == 0
        )
    one, other = (unpack(tmp_path / f"{word}.asdkit") for word in ("normal", "anomaly"))
    different = {name for name in one if one[name] != other[name]}
    assert different <= {"bundle.json", "README.md", "manifest.json"}  # names of clips, and the time


def test_early_bundle_needs_clips_of_every_id(asdkit, exported, another_day, held_back, tmp_path):
    files = unpack(exported)
    description = json.loads(files["bundle.json"])
    for part in description["ids"]:
        state = decode_state(files[part["reference"]])
        del state["members"]
        from asdkit.run.state_codec import encode_state

        files[part["reference"]] = encode_state(state)
    del files["manifest.json"]
    (tmp_path / "early.asdkit").write_bytes(pack(files))
    command = asdkit("adapt", tmp_path / "early.asdkit", "--healthy", another_day, "-o", tmp_path / "new.asdkit")
    assert command.returncode == 3
    assert "Give healthy recordings of every id" in command.stderr


def test_too_few_clips_to_recentre(asdkit, exported, held_back, tmp_path):
    command = asdkit("adapt", exported, "--healthy", held_back, "-o", tmp_path / "new.asdkit", "--recentre")
    assert command.returncode == 3
    assert "expected at least 10 an id" in command.stderr
