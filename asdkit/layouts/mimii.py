"""Layouts of data sets without a training and test split: MIMII and ToyADMOS (2019).

The test clips of each id are all its anomalies and as many normal clips, chosen by a digest of their names, so that the
same files always give the same split. (MIMII's own baseline draws as many normal clips at random.)
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import abstractmethod
from collections.abc import Iterator

from asdkit.layouts.base import Folders, FolderScan, Layout
from asdkit.layouts.clip import Clip

SPLIT_SEED = 0


class _Unsplit(Layout):
    """Machine folders with a folder per id, which has a folder per label."""

    id_name: re.Pattern[str]
    labels: dict[str, int]

    def machines(self, scan: FolderScan) -> Folders:
        """Find folders that hold ids; those below another folder (a noise level) are named after both."""
        machines: dict[str, tuple[str, ...]] = {}
        for entry in scan.folders(str(scan.root)):
            if self._ids(scan, entry.path):
                machines[entry.name] = (entry.path,)
                continue
            for inner in scan.folders(entry.path):
                if self._ids(scan, inner.path):
                    machines[f"{entry.name}_{inner.name}"] = (inner.path,)
        return machines

    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield all recordings in the label folders, split into training and test clips."""
        for machine_id, id_folder in self._ids(scan, folder):
            recordings = [
                (os.path.join(id_folder, name), label)
                for name, label in self.labels.items()
                if os.path.isdir(os.path.join(id_folder, name))
            ]
            files = []
            for path, label in recordings:
                for entry in scan.entries(path):
                    if scan.is_recording(entry.name):
                        files.append((entry.path, label))
                    else:
                        scan.ignore(entry.path)
            anomalies = {self.event(path) for path, label in files if label == 1}
            normal = sorted({self.event(path) for path, label in files if label == 0}, key=_digest)
            tested = anomalies | set(normal[: min(len(anomalies), len(normal) // 2)])
            for path, label in files:
                yield scan.clip(path, machine, "test" if self.event(path) in tested else "train", label, machine_id)

    def _ids(self, scan: FolderScan, folder: str) -> list[tuple[str, str]]:
        matches = [(self.id_name.fullmatch(entry.name), entry.path) for entry in scan.folders(folder)]
        return [
            (match[1], path)
            for match, path in matches
            if match and any(os.path.isdir(os.path.join(path, name)) for name in self.labels)
        ]

    @abstractmethod
    def event(self, path: str) -> str:
        """Name the recorded event: files of one event are always in the same split."""


class MimiiLayout(_Unsplit):
    """MIMII (2019): 8 channels per file; ``data.channel`` of a spec selects one."""

    shape = "<root>/[<snr>/]<machine>/id_XX/{normal,abnormal}/########.wav"
    examples = dict.fromkeys(
        (f"fan/id_00/{word}/0000000{i}.wav" for i in range(3) for word in ("normal", "abnormal")), ""
    )
    id_name = re.compile(r"id_([0-9]+)")
    labels = {"normal": 0, "abnormal": 1}  # noqa: RUF012

    def event(self, path: str) -> str:
        """Return id, label folder and file name: the numbers of both labels begin at 0."""
        return "/".join(path.replace(os.sep, "/").split("/")[-3:])


class ToyAdmosLayout(_Unsplit):
    """ToyADMOS (2019), recordings of single events: one file for each of four microphones."""

    shape = "<root>/<machine>/caseX/{NormalSound_IND,AnomalousSound_IND}/*_IND_chX_####.wav"
    examples = dict.fromkeys(
        (
            "car/case1/NormalSound_IND/n1_IND_ch1_0001.wav",
            "car/case1/NormalSound_IND/n2_IND_ch1_0002.wav",
            "car/case1/AnomalousSound_IND/a1_IND_ch1_0001.wav",
        ),
        "",
    )
    id_name = re.compile(r"(case[0-9]+)")
    labels = {"NormalSound_IND": 0, "AnomalousSound_IND": 1}  # noqa: RUF012

    def event(self, path: str) -> str:
        """Return the file name without its microphone."""
        return re.sub(r"_ch[0-9]+", "", os.path.basename(path))


def _digest(event: str) -> bytes:
    return hashlib.sha256(f"{SPLIT_SEED}\0{event}".encode("utf-8", "surrogateescape")).digest()
