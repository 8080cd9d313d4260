"""Short versions of the robustness checks."""

from __future__ import annotations

from pathlib import Path

from tests.robustness import audits, bad_audio, fuzz, planning, rooms
from tests.robustness.figures import Figures

COUNT = 1500


def test_no_mutated_file_crashes_hangs_or_fills_memory(tmp_path: Path) -> None:
    figures = Figures()
    for name, (target, _, make) in fuzz.make_targets(tmp_path).items():
        fuzz.check(name, target, make, COUNT, figures)
    assert not figures.missed


def test_bad_recordings_are_named_and_good_ones_scored(tmp_path: Path) -> None:
    figures = Figures()
    bad_audio.check(tmp_path, figures)
    assert [name for name in figures.missed if not name.startswith("slowest")] == []


def test_planning_opens_few_files(tmp_path: Path) -> None:
    figures = Figures()
    planning.check_planning(tmp_path / "many", 3000, figures)
    planning.check_restart(tmp_path / "jobs", 50, figures)
    assert not figures.missed


def test_a_spec_needs_no_pickle_and_a_check_no_socket(tmp_path: Path) -> None:
    rooms.make_room(tmp_path / "room", 1)
    rooms.make_spec(tmp_path, [rooms.KNN.format(i=1, n=1)], ["K1"])
    control = audits.record_events(
        tmp_path, "import pathlib, pickle, socket; pickle.loads(pickle.dumps(pathlib.Path()))"
    )
    assert [event for event, *_ in control] == ["pickle.find_class"] * len(control) != []
    assert audits.record_events(tmp_path, audits.OPENING["a spec"]) == []
    command = "import sys; sys.argv = ['asdkit', 'check', 'spec.toml']; from asdkit.cli import main; main()"
    assert [event for event in audits.record_events(tmp_path, command) if event[0] == "socket.__new__"] == []
