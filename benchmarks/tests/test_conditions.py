"""Copies of recordings under harder conditions: what they are, and that they are made once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkit.data import Clip, find_clips
from asdkit.data.demo import make_machine_room
from asdkit.errors import DataError
from benchmarks import conditions
from tests.helpers.rooms import RATE, write_clip


def test_recordings_under_harder_conditions_are_the_same_recordings(tmp_path, capsys):
    room = tmp_path / "room"
    make_machine_room(room, machines=["fan"], ids=2, train=5, normal=1, anomaly=2, seconds=0.2)
    assert conditions.main([str(room), str(tmp_path / "hard"), "--gain", "-12", "0", "--train", "3", "--apart"]) == 0
    made = {str(path.relative_to(tmp_path / "hard")) for path in (tmp_path / "hard").rglob("*.wav")}
    assert {Path(name).parts[0] for name in made} == {"fan-00", "fan-02"}
    assert sum("/train/" in name for name in made) == 6
    assert sum("/test/" in name for name in made) == 6
    assert capsys.readouterr().out.startswith("12 clips")
    gains = []
    for name in made:
        machine, split, clip = Path(name).parts
        before, after = (soundfile.read(path)[0] for path in (room / "fan" / split / clip, tmp_path / "hard" / name))
        assert f"_id_{machine[-2:]}_" in clip
        assert np.corrcoef(before, after)[0, 1] > 0.999
        gains.append(20 * np.log10(after.std() / before.std()))
    assert -12.1 < min(gains) < -6 < max(gains) < 0.1
    with pytest.raises(SystemExit):
        conditions.main([str(room), str(tmp_path / "hard")])


def test_a_gain_that_would_cut_a_recording_off_is_refused(tmp_path, capsys):
    write(tmp_path / "room" / "fan" / "train" / "normal_id_00_00000000.wav", np.full(100, 0.9))
    assert conditions.main([str(tmp_path / "room"), str(tmp_path / "out"), "--gain", "6", "6"]) == 3
    assert "6.0 dB would cut it off" in capsys.readouterr().err


def test_a_copy_without_gain_has_the_same_bytes(tmp_path):
    path = tmp_path / "normal_id_00_00000000.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 100), 16000, subtype="PCM_24")
    conditions.copy(Clip(path, "n", "fan", "00", "train", 0), tmp_path / "out.wav", 0.0)
    assert (tmp_path / "out.wav").read_bytes() == path.read_bytes()


def test_each_condition_is_a_copy_of_its_own(room, tmp_path):
    for i in range(8):  # 12 in all
        write_clip(room / "fan" / "train" / f"normal_id_00_{100 + i:08}.wav", i)
    copies, notes = conditions.prepare("shop", str(room), list(conditions.CONDITIONS), tmp_path / "copies")
    assert notes == []
    names = {condition: {c.name for c in find_clips("dcase2020", folder)} for condition, folder in copies.items()}
    every = {c.name for c in find_clips("dcase2020", room)}
    assert names["recorded"] == names["gain"] == every
    assert all((copies["recorded"] / name).read_bytes() == (room / name).read_bytes() for name in every)
    assert names["few"] < every
    assert sum(name.startswith("fan/train/normal_id_00") for name in names["few"]) == 10
    assert len(every - names["few"]) == 2
    assert {name.partition("/")[0] for name in names["apart"]} == {"fan-00", "fan-02", "pump-00", "pump-02"}
    assert -12.1 < min(gains(room, copies["gain"])) < -6 < 0 < max(gains(room, copies["gain"])) < 6.1


def test_gains_are_lower_where_a_recording_is_loud(room, tmp_path):
    loud = np.random.default_rng(0).uniform(-0.9, 0.9, 1000)
    write(room / "fan" / "train" / "normal_id_00_00000099.wav", loud)
    copies, _ = conditions.prepare("shop", str(room), ["gain"], tmp_path / "copies")
    assert -18.1 < min(gains(room, copies["gain"])) < -12 < max(gains(room, copies["gain"])) < 0.1


def test_conditions_that_change_nothing_are_left_out(tmp_path):
    room = tmp_path / "room"
    make_machine_room(room, machines=["fan", "pump"], ids=1, train=2, normal=3, anomaly=3, seconds=0.2)
    copies, notes = conditions.prepare("shop", str(room), list(conditions.CONDITIONS), tmp_path / "copies")
    assert list(copies) == ["recorded", "gain"]
    assert [note.partition(":")[0] for note in notes] == ["shop few", "shop apart"]


@pytest.mark.parametrize(
    ("split", "label", "left"), [("train", "normal", 1), ("test", "normal", 2), ("test", "anomaly", 2)]
)
def test_ids_with_too_few_clips_are_left_out_and_listed(room, tmp_path, split, label, left):
    for path in sorted((room / "fan" / split).glob(f"{label}_id_02_*"))[left:]:
        path.unlink()
    copies, notes = conditions.prepare("shop", str(room), ["recorded"], tmp_path / "copies")
    assert notes == ["shop: left out, because an id needs 2 training, 3 normal test, 3 anomalous test clips: fan 02"]
    found = {(c.machine, c.id) for c in find_clips("dcase2020", copies["recorded"])}
    assert found == {("fan", "00"), ("pump", "00"), ("pump", "02")}


def test_a_set_without_any_id_of_enough_clips_is_refused(tmp_path):
    write_clip(tmp_path / "room" / "fan" / "train" / "normal_id_00_00000000.wav", 0)
    with pytest.raises(DataError, match=r"no id of .* has enough clips"):
        conditions.prepare("shop", str(tmp_path / "room"), ["recorded"], tmp_path / "copies")


def test_copies_are_made_once_and_only_of_the_same_recordings(room, tmp_path):
    half = tmp_path / "copies" / "recorded.part" / "fan" / "train" / "normal_id_00_99999999.wav"
    write_clip(half, 0)  # of a copy that was interrupted
    (folder,) = conditions.prepare("shop", str(room), ["recorded"], tmp_path / "copies")[0].values()
    assert len(find_clips("dcase2020", folder)) == len(find_clips("dcase2020", room))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")}
    conditions.prepare("shop", str(room), ["recorded"], tmp_path / "copies")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")} == before
    write_clip(room / "fan" / "train" / "normal_id_00_00000099.wav", 0)
    with pytest.raises(DataError, match="copies of other recordings"):
        conditions.prepare("shop", str(room), ["recorded"], tmp_path / "copies")


def test_a_recording_that_cannot_be_read_is_named(room, tmp_path):
    (room / "fan" / "train" / "normal_id_00_00000099.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"normal_id_00_00000099\.wav"):
        conditions.prepare("shop", str(room), ["gain"], tmp_path / "copies")


def gains(room: Path, copy: Path) -> list[float]:
    """Gain of each clip [dB]."""
    names = [clip.name for clip in find_clips("dcase2020", room)]
    return [20 * np.log10(soundfile.read(copy / n)[0].std() / soundfile.read(room / n)[0].std()) for n in names]


def write(path: Path, wave: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE, subtype="PCM_16")
