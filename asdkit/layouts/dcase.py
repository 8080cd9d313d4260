"""Layouts of DCASE Task 2, all editions, as their archives unpack."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar

from asdkit.errors import DataError
from asdkit.layouts.base import SPLITS, Folders, FolderScan, Layout, is_folder, label_of
from asdkit.layouts.clip import Clip, Split
from asdkit.layouts.csv_table import read_rows

_TABLE = re.compile(r"attributes_.*\.csv", re.IGNORECASE)
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
    examples = dict.fromkeys(("fan/train/normal_id_00_00000000.wav", "fan/test/anomaly_id_00_00000000.wav"), "")

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


def _sections_shape(*tests: str) -> str:
    return (
        "<root>/<machine>/train/section_XX_<domain>_train_normal_####_<attributes>.wav and "
        + " or ".join(f"<root>/<machine>/{test}" for test in tests)
        + "/section_XX_<domain>_test_{normal,anomaly}_####_<attributes>.wav (or without domain, label, attributes)"
    )


class SectionsLayout(_Dcase):
    """DCASE Task 2 from 2022 on, with sections, domains and attributes.

    Attributes
    ----------
    tests
        Folders of test clips.
    """

    tests: ClassVar[tuple[str, ...]] = ("test",)
    shape = _sections_shape("test")
    examples = dict.fromkeys(
        (
            "fan/train/section_00_source_train_normal_0000_speed_6.wav",
            "fan/train/section_00_target_train_normal_0001_speed_8.wav",
            "fan/test/section_00_source_test_anomaly_0000_speed_6.wav",
        ),
        "",
    )

    NAME = re.compile(
        r"section_(?P<id>[0-9]{2})(?:_(?P<domain>source|target))?(?:_(?P<split>train|test))?"
        r"(?:_(?P<label>normal|anomaly))?_(?P<number>[0-9]{4,})(?:_(?P<attributes>.+))?\.(?:wav|flac)",
        re.IGNORECASE,
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
        tables = _attribute_tables(scan, folder)
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
                    attributes={**attributes_of(match["attributes"] or ""), **tables.get(entry.name, {})},
                )


class Dcase2021Layout(SectionsLayout):
    """DCASE 2021 Task 2: as later, with a folder of test clips for each domain."""

    tests = ("source_test", "target_test")
    shape = _sections_shape(*tests)
    examples = dict.fromkeys(
        (
            "fan/train/section_00_source_train_normal_0000_strength_1.wav",
            "fan/source_test/section_00_source_test_normal_0000_strength_1.wav",
            "fan/target_test/section_00_target_test_anomaly_0000_strength_2.wav",
        ),
        "",
    )


def _attribute_tables(scan: FolderScan, folder: str) -> dict[str, dict[str, str]]:
    """Read the tables ``attributes_XX.csv`` of a machine: attributes by file name.

    Their header is ``file_name,d1p,d1v,d2p,d2v``: pairs of columns with the name and the value of an attribute.
    """
    attributes: dict[str, dict[str, str]] = {}
    for inner in (folder, os.path.join(folder, "raw")):
        for entry in sorted(scan.entries(inner), key=lambda entry: entry.name):
            if not _TABLE.fullmatch(entry.name):
                continue
            try:
                rows = list(read_rows(Path(entry.path)))
            except DataError as error:
                scan.faults.append(str(error).replace("\n", "; "))
                continue
            for _, (path, *fields) in rows[1:]:
                pairs = zip(fields[::2], fields[1::2], strict=False)
                named = {name: value for name, value in pairs if name and value and name != "noAttribute"}
                attributes.setdefault(PurePosixPath(path).name, {}).update(named)
    return attributes


def attributes_of(text: str) -> Mapping[str, str]:
    """Parse pairs of name and value (``speed_6_mic_1``); an odd number of words gives one value, ``attributes``."""
    words = text.split("_")
    if text in ("", "noAttribute"):
        return {}
    if len(words) % 2:
        return {"attributes": text}
    return dict(zip(words[::2], words[1::2], strict=True))
