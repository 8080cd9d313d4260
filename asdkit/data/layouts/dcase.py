"""Layouts of DCASE Task 2, all editions, as their archives unpack."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from asdkit.data.clip import Clip, Split
from asdkit.data.layouts.base import SPLITS, Folders, FolderScan, Layout, is_folder, label_of

_PART = re.compile(r"(?:dev|eval)(?:_data)?(?:_.*)?")


class _Dcase(Layout):
    """Machine folders in the root, or in parts of it such as ``dev_data`` and ``eval_data``."""

    def machines(self, scan: FolderScan) -> Folders:
        """Find folders with a split in them or in their folder ``raw``; a machine may have one in each part."""
        root = str(scan.root)
        parts = [entry.path for entry in scan.folders(root) if _PART.fullmatch(entry.name)]
        machines: dict[str, list[str]] = {}
        for part in (root, *parts):
            for entry in scan.folders(part):
                if any(os.path.isdir(folder) for *_, folder in self._split_folders(entry.path)):
                    machines.setdefault(entry.name, []).append(entry.path)
        return {machine: tuple(folders) for machine, folders in machines.items()}

    def _split_folders(self, folder: str) -> Iterator[tuple[Split, str | None, str]]:
        """Yield split, domain (if the folder name has one) and path."""
        for inner in (folder, os.path.join(folder, "raw")):
            for split, domain, name in self._splits():
                yield split, domain, os.path.join(inner, name)

    def _splits(self) -> Iterator[tuple[Split, str | None, str]]:
        for split in SPLITS:
            yield split, None, split

    def _note_unknown(self, scan: FolderScan, folder: str) -> None:
        """Note folders and recordings beside a machine's splits: they may be a misspelt split."""
        known = {"raw", *(name for *_, name in self._splits())}
        for inner in (folder, os.path.join(folder, "raw")):
            for entry in scan.entries(inner):
                if entry.name not in known and (is_folder(entry) or scan.is_recording(entry.name)):
                    scan.ignore(entry.path)


class Dcase2020Layout(_Dcase):
    """DCASE 2020 Task 2, development and evaluation data."""

    shape = (
        "<root>/<machine>/train/normal_id_XX_########.wav and "
        "<root>/<machine>/test/{normal,anomaly}_id_XX_########.wav (or id_XX_########.wav, without a label)"
    )

    _NAME = re.compile(r"(?:(normal|anomaly)_)?id_([0-9A-Za-z]+)_[0-9]+\.(?:wav|flac)", re.IGNORECASE)

    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield files named as in the challenge; a training clip without a label in its name is normal."""
        self._note_unknown(scan, folder)
        for split, _, split_folder in self._split_folders(folder):
            for entry in scan.entries(split_folder):
                match = self._NAME.fullmatch(entry.name)
                if match is None:
                    scan.ignore(entry.path)
                    continue
                word, machine_id = match.groups()
                label = label_of(word) if word else (0 if split == "train" else None)
                yield scan.clip(entry.path, machine, split, label, machine_id)


class SectionsLayout(_Dcase):
    """DCASE Task 2 from 2021 on, with sections, domains and attributes.

    Parameters
    ----------
    tests
        Folders of test clips: ``source_test`` and ``target_test`` in 2021, ``test`` later.
    """

    NAME = re.compile(
        r"section_(?P<id>[0-9]{2})(?:_(?P<domain>source|target))?(?:_(?P<split>train|test))?"
        r"(?:_(?P<label>normal|anomaly))?_(?P<number>[0-9]{4,})(?:_(?P<attributes>.+))?\.(?:wav|flac)",
        re.IGNORECASE,
    )

    def __init__(self, tests: Sequence[str]) -> None:
        self.tests = tuple(tests)
        self.shape = (
            "<root>/<machine>/train/section_XX_<domain>_train_normal_####_<attributes>.wav and "
            + " or ".join(f"<root>/<machine>/{test}" for test in self.tests)
            + "/section_XX_<domain>_test_{normal,anomaly}_####_<attributes>.wav (or without domain, label, attributes)"
        )

    def _splits(self) -> Iterator[tuple[Split, str | None, str]]:
        yield "train", None, "train"
        for test in self.tests:
            domain, _, rest = test.rpartition("_")
            assert rest == "test"
            yield "test", domain or None, test

    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield files named as in the challenge whose names do not contradict their folder."""
        self._note_unknown(scan, folder)
        for split, domain, split_folder in self._split_folders(folder):
            for entry in scan.entries(split_folder):
                match = self.NAME.fullmatch(entry.name)
                named = {key: (match[key] or "").lower() for key in ("split", "domain", "label")} if match else {}
                if match is None or (named["split"] or split) != split or (domain and named["domain"] != domain):
                    scan.ignore(entry.path)
                    continue
                label = label_of(named["label"]) if named["label"] else (0 if split == "train" else None)
                yield scan.clip(
                    entry.path,
                    machine,
                    split,
                    label,
                    match["id"],
                    domain=named["domain"] or None,
                    attributes=attributes_of(match["attributes"] or ""),
                )


def attributes_of(text: str) -> Mapping[str, str]:
    """Parse pairs of name and value (``speed_6_mic_1``); an odd number of words gives one value, ``attributes``."""
    words = text.split("_")
    if text in ("", "noAttribute"):
        return {}
    if len(words) % 2:
        return {"attributes": text}
    return dict(zip(words[::2], words[1::2], strict=True))
