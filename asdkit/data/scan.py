"""From a folder to its clips, or to all that is wrong with it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asdkit.data.clip import Clip
from asdkit.data.labels import GroundTruth, read_ground_truth
from asdkit.data.layouts import LAYOUTS
from asdkit.data.layouts.base import Layout, Survey
from asdkit.errors import DataError, UsageError
from asdkit.text import nearest, printable

NO_FOLDER = "there is no such folder"


def find_clips(
    layout: str,
    root: Path,
    machines: Sequence[str] | None = None,
    ground_truth: Sequence[Path] = (),
    containers: Sequence[str] = (),
) -> list[Clip]:
    """Find the clips of a data folder. No recording is opened.

    Parameters
    ----------
    layout
        One of `LAYOUTS`.
    root
        The data folder; under the layout ``csv`` the table.
    machines
        Only these; None: every machine found.
    ground_truth
        The organisers' CSV files, or folders of them, for test clips whose names tell no label.
    containers
        Beyond WAV and FLAC, for layouts whose names may end in any suffix.

    Returns
    -------
    list of Clip
        Sorted by machine, split (training first), id and name.

    Raises
    ------
    DataError
        All that is wrong, one line each: no such folder, nothing found, a machine that is not there, training clips
        labelled as anomalies, ground truth that does not go with the clips.
    UsageError
        No such layout.

    Warns
    -----
    AsdkitWarning
        Once, with their number, where files or folders among the clips do not fit the layout.
    """
    clips, survey = survey_clips(layout, root, machines, ground_truth, containers)
    if survey.faults:
        raise DataError("\n".join(survey.faults), hint=f"The layout {layout} is {LAYOUTS[layout].shape}.")
    survey.tell_ignored()
    return clips


def survey_clips(
    layout: str,
    root: Path,
    machines: Sequence[str] | None = None,
    ground_truth: Sequence[Path] = (),
    containers: Sequence[str] = (),
) -> tuple[list[Clip], Survey]:
    """As `find_clips`, with the faults and foreign files beside the clips instead of an error and a warning."""
    if layout not in LAYOUTS:
        raise UsageError(f'no layout "{layout}"{nearest(layout, LAYOUTS)}')
    given = Path(root)
    truth = read_ground_truth(ground_truth) if ground_truth else None
    kind = LAYOUTS[layout]
    folder = kind.root(given)
    if not given.exists() or not folder.is_dir():
        what = "is not a folder" if given.exists() else "there is no such file" if folder != given else NO_FOLDER
        raise DataError(
            f"{printable(str(given.absolute()))}: {what}", hint="Paths in a spec are relative to the spec's file."
        )
    survey = Survey(folder, given, containers)
    clips = _survey_machines(kind, survey, machines)
    return (_with_truth(clips, truth, survey) if truth is not None else clips), survey


def _with_truth(clips: Sequence[Clip], truth: GroundTruth, survey: Survey) -> list[Clip]:
    """Label the test clips that the ground truth knows; one without a row, and one that it gainsays, are faults."""
    labelled = []
    for clip in clips:
        known = truth.of(clip.machine, clip.path.name) if clip.split == "test" else None
        if known is None:
            if clip.split == "test" and clip.label is None and clip.machine in truth.machines:
                survey.faults.append(f"{clip.name}: the ground truth has no row for it")
            labelled.append(clip)
            continue
        for what, said, found in (("label", clip.label, known.label), ("domain", clip.domain, known.domain)):
            if None not in (said, found) and said != found:
                survey.faults.append(f"{clip.name}: its name says {what} {said}, the ground truth {found}")
        labelled.append(
            replace(
                clip,
                label=known.label if clip.label is None else clip.label,
                domain=known.domain if clip.domain is None else clip.domain,
            )
        )
    return labelled


def _survey_machines(layout: Layout, survey: Survey, wanted: Sequence[str] | None) -> list[Clip]:
    folders = layout.machines(survey)
    root = printable(str(survey.given.absolute()))
    if not folders and not survey.faults:
        survey.faults.append(f"{root}: no machine found{_elsewhere(layout, survey.root)}")
        return []
    for name in sorted(set(wanted or ()) - set(folders)):
        survey.faults.append(f'{root}: no machine "{name}"{nearest(name, sorted(folders))}')
    clips: list[Clip] = []
    for machine in sorted(folders if wanted is None else set(wanted) & set(folders)):
        found = sorted(
            (clip for folder in folders[machine] for clip in layout.clips(survey, machine, folder)), key=_order
        )
        if not found:
            places = ", ".join(printable(folder) for folder in folders[machine])
            survey.faults.append(f"{places}: no clip in it fits the layout")
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
        if layout.root(folder) == folder and layout.machines(Survey(folder)):
            return f"; did you mean {printable(str(folder))}?"
    return ""
