"""Short versions of the shows: what runs survive."""

from __future__ import annotations

from pathlib import Path

from tests.robustness import audits, bad_audio, fuzz, planning, rooms
from tests.robustness.figures import Figures

COUNT = 1500


def test_no_mutant_of_a_recording_a_spec_or_a_bundle_crashes_hangs_or_eats_memory(tmp_path: Path) -> None:
    figures = Figures()
    for name, (target, seeds, head) in fuzz.seeds_of(tmp_path).items():
        fuzz.show(name, target, seeds, COUNT, head, figures)
    assert not figures.missed


def test_every_bad_recording_is_named_once_and_every_good_one_scored(tmp_path: Path) -> None:
    figures = Figures()
    bad_audio.show(tmp_path, figures)
    assert [what for what in figures.missed if not what.startswith("slowest")] == []


def test_a_plan_and_what_is_left_of_it_are_found_without_opening_much(tmp_path: Path) -> None:
    figures = Figures()
    planning.show_planning(tmp_path / "many", 3000, figures)
    planning.show_restart(tmp_path / "jobs", 50, figures)
    assert not figures.missed


def test_a_spec_is_opened_without_pickle_and_checked_without_a_socket(tmp_path: Path) -> None:
    rooms.make_room(tmp_path / "room", 1)
    rooms.make_spec(tmp_path, [rooms.KNN.format(i=1, n=1)], ["K1"])
    control = audits.events_of(tmp_path, "import pathlib, pickle, socket; pickle.loads(pickle.dumps(pathlib.Path()))")
    assert [event for event, *_ in control] == ["pickle.find_class"] * len(control) != []
    assert audits.events_of(tmp_path, audits.OPENING["a spec"]) == []
    command = "import sys; sys.argv = ['asdkit', 'check', 'spec.toml']; from asdkit.cli import main; main()"
    assert [event for event in audits.events_of(tmp_path, command) if event[0] == "socket.__new__"] == []
