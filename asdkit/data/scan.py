"""Find the clips of a data folder, or report all errors at once."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from asdkit.data.attributes import without_labels
from asdkit.data.labels import GroundTruth, read_ground_truth
from asdkit.errors import AsdkitWarning, DataError, PluginError, UsageError
from asdkit.layouts.base import SPLITS, FolderScan, Layout
from asdkit.layouts.clip import Clip
from asdkit.plugin_calls import plugin_call, title_of
from asdkit.plugins import Registry, discover
from asdkit.text import printable, suggestion_or_choices

NO_FOLDER = "there is no such folder"


def find_clips(
    layout: str | Layout,
    root: Path,
    machines: Sequence[str] | None = None,
    ground_truth: Sequence[Path] = (),
    containers: Sequence[str] = (),
) -> list[Clip]:
    """Find the clips of a data folder without opening a recording.

    Parameters
    ----------
    layout
        Name of an installed layout, which gets its default options, or the layout itself.
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
    PluginError
        If the layout is broken, or yields what is no clip (see `check_clips`).

    Warns
    -----
    AsdkitWarning
        Once, with a count, if files or folders do not fit the layout.
    """
    kind = named_layout(layout)
    clips, scan = scan_clips(kind, root, machines, ground_truth, containers)
    if scan.faults:
        raise DataError("\n".join(scan.faults), hint=f"The layout {name_of(kind)} is {kind.shape}.")
    scan.warn_ignored()
    for note in scan.notes:
        warnings.warn(f"{printable(str(root))}: {note}", AsdkitWarning, stacklevel=2)
    return clips


def scan_clips(
    layout: str | Layout,
    root: Path,
    machines: Sequence[str] | None = None,
    ground_truth: Sequence[Path] = (),
    containers: Sequence[str] = (),
) -> tuple[list[Clip], FolderScan]:
    """As `find_clips`, but return errors and ignored files with the clips instead of raising and warning."""
    given = Path(root)
    truth = read_ground_truth(ground_truth) if ground_truth else None
    kind = named_layout(layout)
    with plugin_call(kind, "root"):
        folder = kind.root(given)
    if not given.exists() or not folder.is_dir():
        what = "is not a folder" if given.exists() else "there is no such file" if folder != given else NO_FOLDER
        raise DataError(
            f"{printable(str(given.absolute()))}: {what}", hint="Paths in a spec are relative to the spec's file."
        )
    scan = FolderScan(folder, given, containers)
    clips, scan.notes = without_labels(_scan_machines(kind, scan, machines))
    if scan.linked:
        scan.faults += _same_files(clips)
    return (_with_truth(clips, truth, scan) if truth is not None else clips), scan


def named_layout(layout: str | Layout, registry: Registry | None = None) -> Layout:
    """Return an installed layout with its default options by its name; a layout itself is returned as it is.

    Raises
    ------
    UsageError
        If there is none of that name, or it needs options.
    PluginError
        If it is broken.
    """
    if isinstance(layout, Layout):
        return layout
    plugin = (registry or discover()).find("layout", layout)
    assert plugin.entry is not None  # a usable plugin has one
    try:
        config = plugin.entry.config()
    except ValidationError as error:
        first = ".".join(map(str, error.errors()[0]["loc"]))
        raise UsageError(
            f"the layout {layout!r} needs options, such as {first}",
            hint=f"Give them in a spec: layout = {{ use = '{layout}', {first} = ... }}",
        ) from None
    constructed: Layout = plugin.construct(config)
    return constructed


def layout_root(name: str, options: Mapping[str, Any], given: Path) -> Path:
    """Return the folder that clip names are relative to, under an installed layout with options.

    Raises
    ------
    UsageError, PluginError
        If the layout is not installed any more, or broken.
    """
    plugin = discover().find("layout", name)
    assert plugin.entry is not None  # a usable plugin has one
    layout: Layout = plugin.construct(plugin.entry.config.model_validate_json(json.dumps(dict(options))))
    with plugin_call(layout, "root"):
        return layout.root(given)


def name_of(layout: Layout) -> str:
    """Return the name under which a layout is installed, or that of its class."""
    named = re.match(r"layout '([^']+)' of ", title_of(layout))
    return named[1] if named else type(layout).__name__


def check_clips(layout: Layout, machine: str, clips: Sequence[object]) -> None:
    """Require that a layout yielded clips of a machine, each with the types and words that `Clip` documents.

    Raises
    ------
    PluginError
        With the first fault, the clip's path and the plugin.
    """
    for clip in clips:
        if fault := clip_fault(clip, printable(machine)):
            where = f"{clip.name}: " if isinstance(clip, Clip) and isinstance(clip.name, str) else ""
            raise PluginError(
                f"{title_of(layout)}: {where}{fault}",
                hint="Update or replace the plugin, or report the error to its authors.",
            )


def clip_fault(clip: object, machine: str) -> str:
    """Return what is wrong with a clip that a layout yielded for a machine; empty if nothing is."""
    if not isinstance(clip, Clip):
        return f"yields {type(clip).__name__}; expected clips, each made by scan.clip"
    texts: dict[str, object] = {"name": clip.name, "machine": clip.machine, "id": clip.id}
    label: object = clip.label
    if not isinstance(clip.path, Path) or any(not isinstance(text, str) or not text for text in texts.values()):
        return "path must be a Path, and name, machine and id texts that are not empty"
    if clip.machine != machine:
        return f"a clip of machine {clip.machine!r} among those of {machine!r}"
    if clip.split not in SPLITS:
        return f"split is {clip.split!r}; expected 'train' or 'test'"
    if label is not None and (type(label) is not int or label not in (0, 1)):
        return f"label is {label!r}; expected 0 (normal), 1 (anomaly) or None (unknown)"
    if clip.split == "train" and label is None:
        return "a training clip without a label; training clips are normal: 0"
    if clip.domain not in (None, "source", "target"):
        return f"domain is {clip.domain!r}; expected 'source', 'target' or None"
    pairs: object = clip.attributes
    if not isinstance(pairs, Mapping) or not all(isinstance(x, str) for pair in pairs.items() for x in pair):
        return "attributes must be a dict of texts"
    return ""


def _require_folders(layout: Layout, folders: object) -> None:
    """Require that a layout returned the folders of each machine."""
    if isinstance(folders, dict) and all(
        isinstance(machine, str) and isinstance(paths, tuple | list) and all(isinstance(path, str) for path in paths)
        for machine, paths in folders.items()
    ):
        return
    raise PluginError(f"{title_of(layout)}: machines must return a dict of machine -> a tuple of paths")


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
    with plugin_call(layout, "machines"):
        folders = layout.machines(scan)
    _require_folders(layout, folders)
    root = printable(str(scan.given.absolute()))
    if not folders and not scan.faults:
        scan.faults.append(f"{root}: no machine found{_suggest_folder(layout, scan.root)}")
        return []
    for name in sorted(set(wanted or ()) - set(folders)):
        scan.faults.append(f'{root}: no machine "{name}"{suggestion_or_choices(name, sorted(folders))}')
    clips: list[Clip] = []
    for machine in sorted(folders if wanted is None else set(wanted) & set(folders)):
        with plugin_call(layout, "clips"):
            yielded = [clip for folder in folders[machine] for clip in layout.clips(scan, machine, folder)]
        check_clips(layout, machine, yielded)
        machine_clips = sorted(yielded, key=_order)
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
        with plugin_call(layout, "machines"):
            fits = layout.root(folder) == folder and bool(layout.machines(FolderScan(folder)))
        if fits:
            return f"; did you mean {printable(str(folder))}?"
    return ""
