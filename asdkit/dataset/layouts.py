"""The folder layouts: which folders are machines, and which files are their clips."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from asdkit.dataset.clips import Clip, Split
from asdkit.dataset.survey import Survey, is_folder, is_recording
from asdkit.naming import nearest, printable

SPLITS: tuple[Split, ...] = ("train", "test")
LABELS = {"normal": 0, "anomaly": 1}
ONLY_ID = "00"  # of recordings whose place says no id


class Layout(ABC):
    """How the folders of a data set are laid out."""

    shape: ClassVar[str]
    """The layout in a line or two, for a person whose folders do not fit it."""

    @abstractmethod
    def machines(self, survey: Survey) -> dict[str, str]:
        """Folder of each machine below the root, by machine."""

    @abstractmethod
    def clips(self, survey: Survey, machine: str, folder: str) -> Iterator[Clip]:
        """All clips of a machine."""


class Dcase2020(Layout):
    """DCASE 2020 Task 2, development and evaluation data alike, as its archives unpack."""

    shape = (
        "<root>/<machine>/train/normal_id_XX_########.wav and "
        "<root>/<machine>/test/{normal,anomaly}_id_XX_########.wav (or id_XX_########.wav, without a label)"
    )

    _NAME = re.compile(r"(?:(normal|anomaly)_)?id_([0-9A-Za-z]+)_[0-9]+\.(?:wav|flac)", re.IGNORECASE)

    def machines(self, survey: Survey) -> dict[str, str]:
        """Folders that hold ``train`` or ``test``, straight or in a folder ``raw``."""
        return {
            entry.name: entry.path
            for entry in survey.folders(str(survey.root))
            if any(os.path.isdir(folder) for _, folder in self._split_folders(entry.path))
        }

    def clips(self, survey: Survey, machine: str, folder: str) -> Iterator[Clip]:
        """Files whose names follow the challenge's; a training clip without a label in its name is normal."""
        for split, split_folder in self._split_folders(folder):
            for entry in survey.entries(split_folder):
                match = self._NAME.fullmatch(entry.name)
                if match is None:
                    survey.ignore(entry.path)
                    continue
                word, machine_id = match.groups()
                label = LABELS[word.lower()] if word else (0 if split == "train" else None)
                yield survey.clip(entry.path, machine, split, label, machine_id)

    @staticmethod
    def _split_folders(folder: str) -> Iterator[tuple[Split, str]]:
        for inner in (folder, os.path.join(folder, "raw")):
            for split in SPLITS:
                yield split, os.path.join(inner, split)


class Folder(Layout):
    """The user's own recordings: no fixed names, rates or lengths."""

    shape = (
        "<root>/<machine>/train/[<id>/]*.wav, optional <root>/<machine>/test/{normal,anomaly}/[<id>/]*.wav and "
        "<root>/<machine>/test/*.wav (without labels); or one folder of healthy recordings"
    )

    def machines(self, survey: Survey) -> dict[str, str]:
        """Take the root itself where it is a machine, else the folders in it that are."""
        root = str(survey.root)
        itself = {os.path.basename(os.path.abspath(root)): root}
        if _has_splits(root):
            return itself
        folders = survey.folders(root)
        loose = [entry.path for entry in survey.entries(root) if is_recording(entry.name)]
        if loose and not any(_has_splits(entry.path) for entry in folders):
            return itself
        for path in loose:
            survey.ignore(path)
        return {entry.name: entry.path for entry in folders if _has_splits(entry.path) or _is_flat(survey, entry.path)}

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
            if is_recording(entry.name):
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
    return any(is_recording(entry.name) for entry in survey.entries(folder))


LAYOUTS: dict[str, Layout] = {"dcase2020": Dcase2020(), "folder": Folder()}
