"""Broken layouts: each does one thing wrong."""

from __future__ import annotations

from tests.mutants import add, sound
from tests.mutants.sound import FlatLayout


def caught_by(check, not_by):
    """List a class as the mutant of a check."""

    def listed(target):
        add("layout", check, not_by, sound.LayoutConfig, target)
        return target

    return listed


@caught_by("recordings_of_its_examples_are_clips", "keeps_its_contract")
class LeavesOneOut(FlatLayout):
    def clips(self, scan, machine, folder):
        yield from [clip for clip in super().clips(scan, machine, folder) if clip.path.name != "b.wav"]


@caught_by("an_empty_folder_has_no_machine", "keeps_its_contract")
class FirstFolder(FlatLayout):
    def machines(self, scan):
        return super().machines(scan) or {"nothing": ()}


@caught_by("foreign_files_are_no_clips", "recordings_of_its_examples_are_clips")
class TakesAllFiles(FlatLayout):
    def clips(self, scan, machine, folder):
        for entry in scan.entries(folder):
            yield self.clip(scan, entry, machine)


@caught_by("labels_are_no_attributes", "foreign_files_are_no_clips")
class TellsTheLabel(FlatLayout):
    def clip(self, scan, entry, machine):
        return scan.clip(entry.path, machine, "train", 0, "00", attributes={"verdict": "fine"})
