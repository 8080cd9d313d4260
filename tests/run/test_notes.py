"""Notes of a run about its recordings."""

from asdkit.run.records import ClipRecord
from asdkit.run.results import recording_notes


def clip(name, sha256, split="train", silent=False):
    return ClipRecord(name=name, id="00", split=split, sha256=sha256, silent=silent, windows=1)


def test_copies_among_training_recordings_make_one_note():
    (note,) = recording_notes("fan", [clip("a", "1"), clip("b", "2"), clip("c", "1"), clip("d", "1")])
    assert note.startswith("fan: 2 training recordings hold the same sound as another (a and c);")


def test_silent_and_test_recordings_are_no_copies():
    clips = [clip("a", "1", silent=True), clip("b", "1", silent=True), clip("c", "2"), clip("d", "2", split="test")]
    assert [note.split(":")[0] for note in recording_notes("fan", clips)] == ["a", "b"]


def test_run_on_copies_notes_them(asdkit, spec, room):
    train = room / "fan" / "train"
    one, other = sorted(train.iterdir())[:2]
    other.write_bytes(one.read_bytes())
    ran = asdkit("run", spec, "--machine", "fan")
    assert ran.returncode == 0, ran.stderr
    assert f"fan: a training recording holds the same sound as another (fan/train/{one.name}" in ran.stdout + ran.stderr
