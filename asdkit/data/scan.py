"""Find the clips of a data folder, or report all errors at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asdkit.data.clip import Clip
from asdkit.data.labels import GroundTruth, read_ground_truth
from asdkit.data.layouts import LAYOUTS
from asdkit.data.layouts.base import FolderScan, Layout
from asdkit.errors import DataError, UsageError
from asdkit.text import printable, suggestion_or_choices

NO_FOLDER = "there is no such folder"


def find_clips(
    layout: str,
    root: Path,
    machines: Sequence[str] | None = None,
    ground_truth: Sequence[Path] = (),
    containers: Sequence[str] = (),
) -> list[Clip]:
    """Find the clips of a data folder without opening a recording.

    Parameters
    ----------
    layout
        A name in `LAYOUTS`.
    root
        The data folder; for the layout ``csv``, the table.
    machines
        Only these machines; None: all.
    ground_truth
        The organisers' CSV files, or folders of them, for test clips whose names have no label.
    containers
        Containers besides WAV and FLAC, for layouts that allow any suffix.

    Returns
    -------
    list of Clip
        Sorted by machine, split (training first), id and name.

    Raises
    ------
    DataError
        All errors, one line each: no such folder, nothing found, a missing machine, training clips labelled as
        anomalies, ground truth that does not match the clips.
    UsageError
        Unknown layout.

    Warns
    -----
    AsdkitWarning
        Once, with a count, if files or folders do not fit the layout.
    """
    clips, scan = scan_clips(layout, root, machines, ground_truth, containers)
    if scan.faults:
        raise DataError("\n".join(scan.faults), hint=f"The layout {layout} is {LAYOUTS[layout].shape}.")
    scan.warn_ignored()
    return clips


def scan_clips(
    layout: str,
    root: Path,
    machines: Sequence[str] | None = None,
    ground_truth: Sequence[Path] = (),
    containers: Sequence[str] = (),
) -> tuple[list[Clip], FolderScan]:
    """As `find_clips`, but return errors and ignored files with the clips instead of raising and warning."""
    if layout not in LAYOUTS:
        raise UsageError(f'no layout "{layout}"{suggestion_or_choices(layout, LAYOUTS)}')
    given = Path(root)
    truth = read_ground_truth(ground_truth) if ground_truth else None
    kind = LAYOUTS[layout]
    folder = kind.root(given)
    if not given.exists() or not folder.is_dir():
        what = "is not a folder" if given.exists() else "there is no such file" if folder != given else NO_FOLDER
        raise DataError(
            f"{printable(str(given.absolute()))}: {what}", hint="Paths in a spec are relative to the spec's file."
        )
    scan = FolderScan(folder, given, containers)
    clips = _scan_machines(kind, scan, machines)
    if scan.linked:
        scan.faults += _same_files(clips)
    return (_with_truth(clips, truth, scan) if truth is not None else clips), scan


def _with_truth(clips: Sequence[Clip], truth: GroundTruth, scan: FolderScan) -> list[Clip]:
    """Label test clips by the ground truth; a missing row or a contradiction is an error."""
    labelled = []
    for clip in clips:
        known = truth.of(clip.machine, clip.path.name) if clip.split == "test" else None
        if known is None:
            if clip.split == "test" and clip.label is None and clip.machine in truth.machines:
                scan.faults.append(f"{clip.name}: the ground truth has no row for it")
            labelled.append(clip)
            continue
        for what, by_name, by_truth in (("label", clip.label, known.label), ("domain", clip.domain, known.domain)):
            if None not in (by_name, by_truth) and by_name != by_truth:
                scan.faults.append(f"{clip.name}: its name says {what} {by_name}, the ground truth {by_truth}")
        labelled.append(
            replace(
                clip,
                label=known.label if clip.label is None else clip.label,
                domain=known.domain if clip.domain is None else clip.domain,
            )
        )
    return labelled


def _scan_machines(layout: Layout, scan: FolderScan, wanted: Sequence[str] | None) -> list[Clip]:
    folders = layout.machines(scan)
    root = printable(str(scan.given.absolute()))
    if not folders and not scan.faults:
        scan.faults.append(f"{root}: no machine found{_suggest_folder(layout, scan.root)}")
        return []
    for name in sorted(set(wanted or ()) - set(folders)):
        scan.faults.append(f'{root}: no machine "{name}"{suggestion_or_choices(name, sorted(folders))}')
    clips: list[Clip] = []
    for machine in sorted(folders if wanted is None else set(wanted) & set(folders)):
        machine_clips = sorted(
            (clip for folder in folders[machine] for clip in layout.clips(scan, machine, folder)), key=_order
        )
        if not machine_clips:
            places = ", ".join(printable(folder) for folder in folders[machine])
            scan.faults.append(f"{places}: no clip in it fits the layout")
        scan.faults += _mislabelled(machine_clips)
        clips += machine_clips
    return clips


def _same_files(clips: Sequence[Clip]) -> list[str]:
    """Return one error per file that is listed twice, under one path or several."""
    first: dict[str, Clip] = {}
    faults = []
    for clip in clips:
        other = first.setdefault(os.path.realpath(clip.path), clip)
        if other is not clip:
            splits = "" if other.split == clip.split else f" ({other.split} and {clip.split})"
            faults.append(
                f"{other.name}: listed twice{splits}"
                if clip.name == other.name
                else f"{other.name} and {clip.name} are the same file{splits}"
            )
    return faults


def _order(clip: Clip) -> tuple[bool, str, str]:
    return clip.split == "test", clip.id, clip.name


def _mislabelled(clips: Sequence[Clip]) -> list[str]:
    """Return one error per folder with training clips labelled as anomalies."""
    bad = [clip for clip in clips if clip.split == "train" and clip.label == 1]
    counts = Counter(clip.path.parent for clip in bad)
    first = {clip.path.parent: clip.path.name for clip in reversed(bad)}
    return [
        f"{printable(str(folder))}: {count} training {'clip is' if count == 1 else 'clips are'} labelled anomaly "
        f"({printable(first[folder])}{', ...' if count > 1 else ''}); training is on normal clips alone"
        for folder, count in counts.items()
    ]


def _suggest_folder(layout: Layout, root: Path) -> str:
    """Suggest where the machines may be instead: one folder up or down."""
    candidates = [root.absolute().parent, *(Path(entry.path) for entry in FolderScan(root).folders(str(root))[:100])]
    for folder in candidates:
        if layout.root(folder) == folder and layout.machines(FolderScan(folder)):
            return f"; did you mean {printable(str(folder))}?"
    return ""
