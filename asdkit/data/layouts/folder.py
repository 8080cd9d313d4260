"""The user's own recordings, in folders."""

from __future__ import annotations

import os
from collections.abc import Iterator

from asdkit.data.clip import Clip, Split
from asdkit.data.layouts.base import LABELS, ONLY_ID, SPLITS, Folders, Layout, Survey, is_folder
from asdkit.text import nearest, printable


class FolderLayout(Layout):
    """The user's own recordings: no fixed names, rates or lengths."""

    shape = (
        "<root>/<machine>/train/[<id>/]*.wav, optional <root>/<machine>/test/{normal,anomaly}/[<id>/]*.wav and "
        "<root>/<machine>/test/*.wav (without labels); or one folder of healthy recordings"
    )

    def machines(self, survey: Survey) -> Folders:
        """Take the root itself where it is a machine, else the folders in it that are."""
        root = str(survey.root)
        itself: Folders = {os.path.basename(os.path.abspath(root)): (root,)}
        if _has_splits(root):
            return itself
        folders = survey.folders(root)
        loose = [entry.path for entry in survey.entries(root) if survey.is_recording(entry.name)]
        if loose and not any(_has_splits(entry.path) for entry in folders):
            return itself
        for path in loose:
            survey.ignore(path)
        found: Folders = {}
        for entry in folders:
            if _has_splits(entry.path) or _is_flat(survey, entry.path):
                found[entry.name] = (entry.path,)
        return found

    def clips(self, survey: Survey, machine: str, folder: str) -> Iterator[Clip]:
        """Take recordings in ``train`` and ``test``, or, where there are neither, in the folder itself."""
        if not _has_splits(folder):
            yield from self._collect(survey, (machine, "train"), folder, label=0, machine_id=ONLY_ID)
            return
        train = list(self._collect(survey, (machine, "train"), os.path.join(folder, "train"), label=0))
        yield from train
        known = {clip.id for clip in train}
        strangers = set()
        for clip in self._collect(survey, (machine, "test"), os.path.join(folder, "test"), label=None):
            if clip.label is None and known and clip.id not in known | {ONLY_ID}:
                strangers.add(clip.id)  # perhaps "abnormal": labels must not get lost as ids
            yield clip
        for name in sorted(strangers):
            what = f'expected "normal", "anomaly" or an id of the training clips{nearest(name, [*LABELS, *known])}'
            survey.faults.append(f"{printable(os.path.join(folder, 'test', name))}: {what}")

    def _collect(
        self,
        survey: Survey,
        place: tuple[str, Split],
        folder: str,
        *,
        label: int | None,
        machine_id: str | None = None,
        labelled: bool = False,
    ) -> Iterator[Clip]:
        """Clips of a folder, and of the folders in it: first perhaps a label, then perhaps an id, then no more."""
        for entry in survey.entries(folder):
            if survey.is_recording(entry.name):
                yield survey.clip(entry.path, *place, label, machine_id or ONLY_ID)
            elif machine_id is not None or not is_folder(entry):
                survey.ignore(entry.path)
            elif not labelled and entry.name in LABELS:
                yield from self._collect(survey, place, entry.path, label=LABELS[entry.name], labelled=True)
            else:
                yield from self._collect(survey, place, entry.path, label=label, machine_id=entry.name)


def _has_splits(folder: str) -> bool:
    return any(os.path.isdir(os.path.join(folder, split)) for split in SPLITS)


def _is_flat(survey: Survey, folder: str) -> bool:
    return any(survey.is_recording(entry.name) for entry in survey.entries(folder))
