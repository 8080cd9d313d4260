"""Notes of a run about its recordings."""

from asdkit.run.records import ClipRecord
from asdkit.run.results import recording_notes


def clip(name, sha256, split="train", silent=False):
    return ClipRecord(name=name, id="00", split=split, sha256=sha256, silent=silent, windows=1)


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


def test_run_on_copies_notes_them(asdkit, spec, room):
    one, other = sorted((room / "fan" / "train").iterdir())[:2]
    test, foreign = sorted((room / "fan" / "test").iterdir())[:2]
    other.write_bytes(one.read_bytes())
    test.write_bytes(one.read_bytes())
    foreign.write_bytes(min((room / "pump" / "train").iterdir()).read_bytes())  # of another machine: no copy
    ran = asdkit("run", spec)
    assert ran.returncode == 0, ran.stderr
    assert f"fan: a training recording holds the same sound as another (fan/train/{one.name}" in ran.stdout + ran.stderr
    assert (
        f"fan: 1 of 12 test recordings hold the same sound as a training recording (fan/test/{test.name}" in ran.stderr
    )
