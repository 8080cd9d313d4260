"""Layout of a user's own recordings in folders."""

from __future__ import annotations

import os
from collections.abc import Iterator

from asdkit.layouts.base import (
    LABELS,
    ONLY_ID,
    SPLITS,
    Folders,
    FolderScan,
    Layout,
    is_folder,
    label_of,
    names_faulty,
)
from asdkit.layouts.clip import Clip, Split
from asdkit.text import printable, suggestion_or_choices


class FolderLayout(Layout):
    """A user's own recordings, without fixed names, rates or lengths."""

    shape = (
        "<root>/<machine>/train/[<id>/]*.wav, optional <root>/<machine>/test/{normal,anomaly}/[<id>/]*.wav and "
        "<root>/<machine>/test/*.wav (without labels); or one folder of healthy recordings"
    )
    examples = dict.fromkeys(("fan/train/a.wav", "fan/test/normal/b.wav", "fan/test/anomaly/c.wav"), "")
    specific = False

    def machines(self, scan: FolderScan) -> Folders:
        """Return the root if it is itself a machine, else the machine folders in it."""
        root = str(scan.root)
        itself: Folders = {os.path.basename(os.path.abspath(root)): (root,)}
        if _has_splits(root):
            return itself
        folders = scan.folders(root)
        loose = [entry.path for entry in scan.entries(root) if scan.is_recording(entry.name)]
        if loose and not any(_has_splits(entry.path) for entry in folders):
            return itself
        for path in loose:
            scan.ignore(path)
        machines: Folders = {}
        for entry in folders:
            if _has_splits(entry.path) or _is_flat(scan, entry.path):
                machines[entry.name] = (entry.path,)
        return machines

    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield recordings in ``train`` and ``test``, or, if there are neither, in the folder itself."""
        if not _has_splits(folder):
            self._require_healthy(scan, folder)
            yield from self._collect(scan, (machine, "train"), folder, label=0, machine_id=ONLY_ID)
            return
        train = list(self._collect(scan, (machine, "train"), os.path.join(folder, "train"), label=0))
        yield from train
        known = {clip.id for clip in train}
        unknown_ids = set()
        for clip in self._collect(scan, (machine, "test"), os.path.join(folder, "test"), label=None):
            if clip.label is None and known and clip.id not in known | {ONLY_ID}:
                unknown_ids.add(clip.id)  # perhaps a misspelt label, which must not be taken for an id
            yield clip
        for name in sorted(unknown_ids):
            choices = suggestion_or_choices(name, [*LABELS, *known])
            what = f'expected "normal", "anomaly" or an id of the training clips{choices}'
            scan.faults.append(f"{printable(os.path.join(folder, 'test', name))}: {what}")

    def _require_healthy(self, scan: FolderScan, folder: str) -> None:
        """Note an error if the name of a folder of training recordings says that they are of a faulty machine."""
        if names_faulty(os.path.basename(os.path.abspath(folder))):
            what = "recordings to train on, in a folder whose name says that the machine is faulty"
            scan.faults.append(f"{printable(folder)}: {what}; put them into <machine>/test/anomaly, or rename it")

    def _collect(
        self,
        scan: FolderScan,
        machine_split: tuple[str, Split],
        folder: str,
        *,
        label: int | None,
        machine_id: str | None = None,
        labelled: bool = False,
    ) -> Iterator[Clip]:
        """Yield clips of a folder and of the folders in it: an optional label folder, then an optional id folder."""
        for entry in scan.entries(folder):
            if scan.is_recording(entry.name):
                yield scan.clip(entry.path, *machine_split, label, machine_id or ONLY_ID)
            elif machine_id is not None or not is_folder(entry):
                scan.ignore(entry.path)
            elif not labelled and label_of(entry.name) is not None:
                yield from self._collect(scan, machine_split, entry.path, label=label_of(entry.name), labelled=True)
            else:
                if machine_split[1] == "train":
                    self._require_healthy(scan, entry.path)
                yield from self._collect(scan, machine_split, entry.path, label=label, machine_id=entry.name)


def _has_splits(folder: str) -> bool:
    return any(os.path.isdir(os.path.join(folder, split)) for split in SPLITS)


def _is_flat(scan: FolderScan, folder: str) -> bool:
    return any(scan.is_recording(entry.name) for entry in scan.entries(folder))
