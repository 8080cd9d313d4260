"""Checks of layouts."""

from __future__ import annotations

from pathlib import Path

from asdkit.data.attributes import without_labels
from asdkit.layouts.base import FolderScan, is_recording
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.layout_subject import LayoutSubject


def recordings_of_its_examples_are_clips(subject: LayoutSubject) -> None:
    """Each recording of its examples is a clip, named by its path below the folder."""
    instance = subject.working_use().instance
    names = {clip.name for clip in subject.clips(instance)[0]}
    wanted = {name for name, text in instance.examples.items() if not text and is_recording(name)}
    if missing := sorted(wanted - names):
        raise Failed(f"{missing[0]}: a recording of its own examples is no clip")
    if foreign := sorted(names - wanted):
        raise Failed(f"{foreign[0]}: a clip that is no recording of its examples")


def an_empty_folder_has_no_machine(subject: LayoutSubject) -> None:
    """An empty folder has no machine, and raises nothing."""
    instance = subject.working_use().instance
    if instance.tables:
        raise Inapplicable("it reads a table")
    if machines := instance.machines(FolderScan(subject.new_folder())):
        raise Failed(f"an empty folder has the machine {next(iter(machines))!r}")


def foreign_files_are_no_clips(subject: LayoutSubject) -> None:
    """Other files beside the recordings are no clips, and raise nothing."""
    instance = subject.working_use().instance
    before, _ = subject.clips(instance)
    foreign = [folder / "notes.txt" for folder in {subject.folder, *(Path(clip.path).parent for clip in before)}]
    for path in foreign:
        path.write_text("notes")
    try:
        after, faults = subject.clips(instance)
    finally:
        for path in foreign:
            path.unlink()
    if faults:
        raise Failed(f"a file notes.txt beside the recordings is an error: {faults[0]}; expected scan.ignore(path)")
    if added := sorted({clip.name for clip in after} - {clip.name for clip in before}):
        raise Failed(f"{added[0]}: a clip that is no recording; see scan.is_recording")
    if len(after) != len(before):
        raise Failed("a file notes.txt beside the recordings changes the number of clips")


def labels_are_no_attributes(subject: LayoutSubject) -> None:
    """No attribute holds a label: detectors get attributes, and never a label."""
    instance = subject.make()
    scan = FolderScan(instance.root(subject.given(instance, subject.folder)), subject.given(instance, subject.folder))
    machines = instance.machines(scan)
    found = [clip for name, paths in machines.items() for path in paths for clip in instance.clips(scan, name, path)]
    _, notes = without_labels(found)
    if notes:
        raise Failed(notes[0])
