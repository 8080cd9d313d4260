"""The layout keeps its contract, and splits recordings by date."""

from asdkit_dated_folders import DatedFoldersConfig, asdkit_layouts
from asdkit_dated_folders.layout import DatedFolders

from asdkit.api import FolderScan
from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_layouts())
def test_the_layout_keeps_its_contract(check):
    check()


def test_recordings_are_split_by_date(tmp_path):
    for name in DatedFolders.examples:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    layout, scan = DatedFolders(DatedFoldersConfig(until="2026-02-01")), FolderScan(tmp_path)
    folders = layout.machines(scan)["pump"]
    clips = {clip.name: clip for folder in folders for clip in layout.clips(scan, "pump", folder)}
    found = {name: (clip.id, clip.split, clip.label) for name, clip in clips.items()}
    assert found == {
        "pump/p7/2025-03-01_ok.wav": ("p7", "train", 0),
        "pump/p8/2025-03-02.wav": ("p8", "train", 0),
        "pump/p8/2026-02-02.wav": ("p8", "test", None),
    }
    assert scan.faults == ["pump/p7/2026-02-01_fault.wav: a fault before 2026-02-01, which ends training"]
    assert clips["pump/p8/2026-02-02.wav"].attributes == {"month": "02"}
