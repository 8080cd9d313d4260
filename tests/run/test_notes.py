"""Notes of a run about its recordings."""

import numpy as np
import soundfile

from asdkit.run.notes import recording_notes
from asdkit.run.records import ClipRecord


def clip(name, sha256, split="train", silent=False, cancelled=False):
    return ClipRecord(name=name, id="00", split=split, sha256=sha256, silent=silent, cancelled=cancelled, windows=1)


def test_copies_among_training_recordings_make_one_note():
    (note,) = recording_notes("fan", [clip("a", "1"), clip("b", "2"), clip("c", "1"), clip("d", "1")])
    assert note.startswith("fan: 2 training recordings hold the same sound as another (a and c);")


def test_silent_recordings_and_pairs_in_test_are_no_copies():
    clips = [clip("a", "1", silent=True), clip("b", "1", silent=True), clip("b", "1", silent=True, split="test")]
    clips += [clip("c", "2", split="test"), clip("d", "2", split="test")]
    assert [note.split(":")[0] for note in recording_notes("fan", clips)] == ["a", "b", "b"]


def test_copies_of_training_recordings_in_test_are_noted():
    clips = [clip("a", "1"), clip("b", "2", split="held"), clip("c", "3")]
    clips += [clip(name, sha, split="test") for name, sha in (("s", "1"), ("t", "2"), ("u", "1"), ("v", "4"))]
    (note,) = recording_notes("fan", clips)
    start = "fan: 3 of 4 test recordings hold the same sound as a training recording (s and a); AUC"
    assert note.startswith(start)
    assert note.endswith("too optimistic")


def test_cancelled_channels_make_one_note():
    (note,) = recording_notes("fan", [clip(name, "1", silent=True, cancelled=True) for name in "ab"])
    assert note.startswith("fan: the channels cancel, so their mean is almost silent, as in a: ")
    assert "data.channel" in note


def test_channels_that_cancel_are_reported_by_every_command(asdkit, tmp_path):
    rng = np.random.default_rng(0)
    for index in range(12):
        sound = rng.normal(0, 0.1, 16_000)
        (tmp_path / "rec").mkdir(exist_ok=True)
        own = rng.normal(0, 0.002, (16_000, 2))
        soundfile.write(tmp_path / "rec" / f"{index:02}.wav", np.stack([sound, -sound], axis=1) + own, 16_000)
    line = "cancel, so their mean is almost silent, as in 00.wav"
    assert (
        f"note: the channels of 12 recordings {line}: set data.channel" in asdkit("init", "rec", "-o", "m.toml").stderr
    )
    assert "\n# channel = 0\n" in (tmp_path / "m.toml").read_text()
    for command in ("check", "run"):
        assert asdkit(command, "m.toml").stderr.count(f"note: rec: the channels {line}") == 1
        assert line not in asdkit(command, "m.toml", "--set", "data.channel=0").stderr
    assert "channels cancel in their mean: 00.wav" in asdkit("data", "rec").stdout


def test_headers_without_a_length_are_counted(asdkit, spec, room):
    first = sorted((room / "fan" / "train").iterdir())[:2]
    for path in first:
        content = path.read_bytes()
        path.write_bytes(content[:40] + (2**31).to_bytes(4, "little") + content[44:])
    line = f"note: 2 recordings, such as fan/train/{first[0].name}: its header states no length"
    assert line in asdkit("check", spec, "--machine", "fan").stderr


def test_run_on_copies_notes_them(asdkit, spec, room):
    one, other = sorted((room / "fan" / "train").iterdir())[:2]
    test, foreign = sorted((room / "fan" / "test").iterdir())[:2]
    other.write_bytes(one.read_bytes())
    sound, rate = soundfile.read(one, dtype="int16")
    both = np.stack([sound, sound], axis=1).astype(np.int32) << 16
    soundfile.write(test, both, rate, subtype="PCM_24")  # the same sound in another format
    foreign.write_bytes(min((room / "pump" / "train").iterdir()).read_bytes())  # of another machine: no copy
    ran = asdkit("run", spec)
    assert ran.returncode == 0, ran.stderr
    assert f"fan: a training recording holds the same sound as another (fan/train/{one.name}" in ran.stdout + ran.stderr
    assert (
        f"fan: 1 of 12 test recordings hold the same sound as a training recording (fan/test/{test.name}" in ran.stderr
    )
