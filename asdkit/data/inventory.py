"""Inventory of a data folder: counts of clips compared with known counts, gaps, uneven ids and broken files."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asdkit import audio
from asdkit.data.editions import DEV_MACHINES, EVAL_MACHINES, known_counts
from asdkit.data.scan import named_layout, scan_clips
from asdkit.errors import BadAudio, DataError, UsageError
from asdkit.layouts.base import FolderScan, Layout
from asdkit.layouts.clip import Clip
from asdkit.plugins import discover
from asdkit.text import printable

Group = tuple[str, str, str, str | None, int | None]  # machine, id, split, domain, label

_NUMBER = re.compile(r"(?:^|_)([0-9]{4,})(?=[_.])")
_SHOWN = 3


@dataclass
class Inventory:
    """The content of a data folder.

    Attributes
    ----------
    layout
        Layout by which it was read.
    also
        Other layouts that fit names and folders equally well.
    counts
        Number of clips of each machine, id, split, domain and label.
    missing
        Groups with fewer or more clips than the organisers' lists give.
    absent
        Machines of this edition that are missing; a partial download is not an error.
    gaps, uneven
        Gaps in the numbering of names; ids with other counts than the rest.
    faults, foreign
        Errors, one line each; names of files that do not fit the layout.
    unread
        Audio files of other formats, counted in one line.
    broken
        Recordings that cannot be used, with the reason.
    cancelled
        Names of recordings whose channels cancel in their mean.
    kinds
        Number of recordings by sample rate [Hz], channels and seconds (whole ones from 1 s on).
    shortest
        Duration of the shortest recording in seconds; infinite if there is none.
    """

    layout: str
    also: list[str]
    clips: list[Clip]
    counts: dict[Group, int]
    missing: list[str]
    absent: list[str]
    gaps: list[str]
    uneven: list[str]
    faults: list[str]
    foreign: list[str]
    unread: str = ""
    broken: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    kinds: Counter[tuple[int, int, float]] = field(default_factory=Counter)
    shortest: float = math.inf


def take_inventory(root: Path, layout: str | None = None, ground_truth: Sequence[Path] = ()) -> Inventory:
    """Count the clips of a data folder and read every recording's header.

    Parameters
    ----------
    root
        The folder, or the table.
    layout
        None: recognised from the names.
    ground_truth
        As for `find_clips`.

    Raises
    ------
    DataError
        If there is no such folder, or no layout fits it.
    """
    candidates = [layout] if layout else recognise(root)
    if not candidates:
        raise DataError(
            f"{printable(str(Path(root).absolute()))}: no layout fits it",
            hint="\n".join(f"The layout {name} is {kind.shape}." for name, kind in _layouts().items()),
        )
    clips, scan = scan_clips(candidates[0], root, None, ground_truth)
    inventory = _count(candidates[0], candidates[1:], clips, scan)
    _read_headers(inventory)
    return inventory


def recognise(root: Path) -> list[str]:
    """Return the layouts that fit a folder, the likeliest first; several if nothing in it distinguishes them."""
    root = Path(root)
    layouts = _layouts()
    if root.is_file():
        return [name for name, layout in layouts.items() if root.suffix.lower() in layout.tables]
    found: dict[str, list[Clip]] = {}
    for name, layout in layouts.items():
        if not layout.tables and root.is_dir():
            clips, scan = scan_clips(layout, root)
            if clips and (layout.specific or not scan.faults):
                found[name] = clips
    named = [name for name in found if layouts[name].specific]
    if not named:
        return list(found)
    most = max(len(found[name]) for name in named)
    likely = [name for name in named if len(found[name]) == most]
    if len(likely) == 1:
        return likely
    votes = {name: _fit(name, found[name]) for name in likely}
    return [name for name in likely if votes[name] == max(votes.values())]


def _layouts() -> dict[str, Layout]:
    """Return the installed layouts that need no options, by name."""
    registry = discover()
    layouts = {}
    for name in registry.names("layout"):
        with suppress(UsageError):  # it needs options
            layouts[name] = named_layout(name, registry)
    return layouts


def _fit(layout: str, clips: Sequence[Clip]) -> tuple[int, int, int]:
    """Rate how well machines, sections and attributes fit one of several editions with the same folders."""
    machines = {clip.machine for clip in clips}
    known = set(DEV_MACHINES.get(layout, ())) | set(EVAL_MACHINES.get(layout, ()))
    several = any(clip.id != "00" for clip in clips)
    bare = any("noAttribute" in clip.path.name for clip in clips)
    return (
        int(bare and layout >= "dcase2024"),
        int(several == (layout in ("dcase2021", "dcase2022"))),
        len(machines & known),
    )


def _count(layout: str, also: list[str], clips: list[Clip], scan: FolderScan) -> Inventory:
    groups: dict[Group, list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.machine, clip.id, clip.split, clip.domain, clip.label), []).append(clip)
    counts = {group: len(members) for group, members in groups.items()}
    missing = []
    judged: set[str] = set()
    for known in known_counts(layout, clips):
        found = sum(map(known.fits, clips))
        judged.add(known.machine)
        if found != known.count:
            words = [("normal", "anomaly")[known.label] if known.label is not None else "", known.domain, known.split]
            what = " ".join(word for word in words if word)
            ids = ", ".join(known.ids)
            missing.append(f"{known.machine} id {ids}: {found} of {known.count} {what} clips")
    machines = {clip.machine for clip in clips}
    edition = set(DEV_MACHINES.get(layout, ())) | set(EVAL_MACHINES.get(layout, ()))
    return Inventory(
        layout,
        also,
        clips,
        counts,
        missing,
        sorted(edition - machines) if edition & machines else [],
        _gaps(groups),
        _uneven(counts, judged),
        scan.faults,
        sorted(scan.ignored),
        scan.unread.line(),
    )


def _gaps(groups: dict[Group, list[Clip]]) -> list[str]:
    """Report numbers missing between the first and the last of a group."""
    lines = []
    for group, clips in groups.items():
        numbers = {int(m[1]) for m in (_NUMBER.search(c.path.name) for c in clips) if m}
        if len(numbers) != len(clips):
            continue  # not numbered, or numbered from the start in several folders
        missing_numbers = sorted(set(range(min(numbers), max(numbers))) - numbers) if _dense(numbers) else []
        if missing_numbers:
            shown = ", ".join(f"{n:04}" for n in missing_numbers[:_SHOWN]) + (
                ", ..." if len(missing_numbers) > _SHOWN else ""
            )
            lines.append(f"{describe(group)}: {len(missing_numbers)} missing in the numbering ({shown})")
    return lines


def _dense(numbers: set[int]) -> bool:
    """Whether numbers are meant to be consecutive: at least half of the range is present."""
    return 2 * len(numbers) > max(numbers) - min(numbers)


def _uneven(counts: dict[Group, int], judged: set[str]) -> list[str]:
    """Report ids whose counts differ from most ids of their machine, unless known counts cover the machine."""
    alike: dict[tuple[str, str, str | None, int | None], dict[str, int]] = {}
    for (machine, id_, split, domain, label), count in counts.items():
        if machine not in judged:
            alike.setdefault((machine, split, domain, label), {})[id_] = count
    lines = []
    for (machine, split, domain, label), by_id in alike.items():
        usual, times = Counter(by_id.values()).most_common(1)[0]
        if times > 1:
            odd = {i: n for i, n in by_id.items() if n != usual}
            lines += [
                f"{describe((machine, i, split, domain, label))}: {n} clips, where other ids have {usual}"
                for i, n in odd.items()
            ]
    return lines


def describe(group: Group) -> str:
    """Describe a group: ``fan id 00, normal source test``."""
    machine, id_, split, domain, label = group
    words = [None if label is None else ("normal", "anomaly")[label], domain, split]
    return f"{machine} id {id_}, {' '.join(word for word in words if word)}"


def _read_headers(inventory: Inventory) -> None:
    """Read the header of every recording."""

    def read(clip: Clip) -> tuple[audio.AudioInfo, bool] | str:
        try:
            info = audio.inspect(clip.path)
            cancels = audio.mean_cancels(clip.path, info)
        except BadAudio as error:
            return f"{clip.name}: {error.reason}"
        return info, cancels

    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 2)) as pool:
        for clip, found in zip(inventory.clips, pool.map(read, inventory.clips), strict=True):
            if isinstance(found, str):
                inventory.broken.append(found)
            else:
                info, cancels = found
                shown = round(info.seconds, 0 if info.seconds >= 1 else 2)
                inventory.kinds[info.sample_rate, info.channels, shown] += 1
                inventory.shortest = min(inventory.shortest, info.seconds)
                if cancels:
                    inventory.cancelled.append(clip.name)
