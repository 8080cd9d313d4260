"""Layouts: from the folders and tables of a data set to its clips; the built-in ones are registered as any other's.

Splits and labels come from folder and file names alone; no file is copied or renamed.
"""

from __future__ import annotations

from asdkit.config import Config
from asdkit.interfaces import Entry, hookimpl

_EDITIONS = {
    "dcase2020": ("dcase:Dcase2020Layout", "DCASE 2020 Task 2: ids, and labels in file names."),
    "dcase2021": ("dcase:Dcase2021Layout", "DCASE 2021 Task 2: sections, domains, a test folder for each domain."),
    **{
        f"dcase{year}": ("dcase:SectionsLayout", f"DCASE {year} Task 2: sections, domains and attributes.")
        for year in range(2022, 2027)
    },
    "mimii": ("mimii:MimiiLayout", "MIMII (2019), divided into training and test clips."),
    "toyadmos": ("mimii:ToyAdmosLayout", "ToyADMOS (2019), divided into training and test clips."),
    "folder": ("folder:FolderLayout", "Recordings of one's own in folders."),
    "csv": ("table:TableLayout", "Recordings listed in a CSV file."),
}


@hookimpl
def asdkit_layouts() -> list[Entry]:
    """Register the layouts of the challenge, of MIMII and ToyADMOS, of folders and of tables."""
    return [
        Entry(name, Config, f"asdkit.layouts.{target}", summary=summary, api_version=2)
        for name, (target, summary) in _EDITIONS.items()
    ]
