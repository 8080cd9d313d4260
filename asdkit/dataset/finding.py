"""From a folder to its clips, or to all that is wrong with it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asdkit.dataset.clips import Clip
from asdkit.dataset.layouts import LAYOUTS, Layout
from asdkit.dataset.survey import Survey
from asdkit.errors import DataError, UsageError
from asdkit.naming import nearest, printable


def find_clips(layout: str, root: Path, machines: Sequence[str] | None = None) -> list[Clip]:
    """Find the clips of a data folder. No file is opened.

    Parameters
    ----------
    layout
        One of `LAYOUTS`.
    root
        The data folder.
    machines
        Only these; None: every machine found.

    Returns
    -------
    list of Clip
        Sorted by machine, split (training first), id and name.

    Raises
    ------
    DataError
        All that is wrong, one line each: no such folder, nothing found, a machine that is not there, training clips
        labelled as anomalies.
    UsageError
        No such layout.

    Warns
    -----
    AsdkitWarning
        Once, with their number, where files or folders among the clips do not fit the layout.
    """
    if layout not in LAYOUTS:
        raise UsageError(f'no layout "{layout}"{nearest(layout, LAYOUTS)}')
    root = Path(root)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "there is no such folder"
        raise DataError(
            f"{printable(str(root.absolute()))}: {what}", hint="Paths in a spec are relative to the spec's file."
        )
    survey = Survey(root)
    clips = _survey_machines(LAYOUTS[layout], survey, machines)
    if survey.faults:
        raise DataError("\n".join(survey.faults), hint=f"The layout {layout} is {LAYOUTS[layout].shape}.")
    survey.tell_ignored()
    return clips


def _survey_machines(layout: Layout, survey: Survey, wanted: Sequence[str] | None) -> list[Clip]:
    folders = layout.machines(survey)
    root = printable(str(survey.root.absolute()))
    if not folders and not survey.faults:
        survey.faults.append(f"{root}: no machine found{_elsewhere(layout, survey.root)}")
        return []
    for name in sorted(set(wanted or ()) - set(folders)):
        survey.faults.append(f'{root}: no machine "{name}"{nearest(name, sorted(folders))}')
    clips: list[Clip] = []
    for machine in sorted(folders if wanted is None else set(wanted) & set(folders)):
        found = sorted(layout.clips(survey, machine, folders[machine]), key=_order)
        if not found:
            survey.faults.append(f"{printable(folders[machine])}: no clip in it fits the layout")
        survey.faults += _mislabelled(found)
        clips += found
    return clips


def _order(clip: Clip) -> tuple[bool, str, str]:
    return clip.split == "test", clip.id, clip.name


def _mislabelled(clips: Sequence[Clip]) -> list[str]:
    """One fault for each folder with training clips that are labelled as anomalies."""
    bad = [clip for clip in clips if clip.split == "train" and clip.label == 1]
    counts = Counter(clip.path.parent for clip in bad)
    first = {clip.path.parent: clip.path.name for clip in reversed(bad)}
    return [
        f"{printable(str(folder))}: {count} training {'clip is' if count == 1 else 'clips are'} labelled anomaly "
        f"({printable(first[folder])}{', ...' if count > 1 else ''}); training is on normal clips alone"
        for folder, count in counts.items()
    ]


def _elsewhere(layout: Layout, root: Path) -> str:
    """Where the machines may be instead: a folder up, or a folder down."""
    candidates = [root.absolute().parent, *(Path(entry.path) for entry in Survey(root).folders(str(root))[:100])]
    for folder in candidates:
        if layout.machines(Survey(folder)):
            return f"; did you mean {printable(str(folder))}?"
    return ""
