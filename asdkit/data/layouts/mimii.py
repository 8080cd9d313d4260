"""Data sets that come without a split into training and test clips: MIMII and ToyADMOS (2019).

Half of the test clips of each id are all its anomalies, the other half as many normal clips, chosen by a digest of
their names: anyone who has the same files has the same split. (MIMII's own baseline draws as many, at random.)
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import abstractmethod
from collections.abc import Iterator

from asdkit.data.clip import Clip
from asdkit.data.layouts.base import Folders, Layout, Survey

SPLIT_SEED = 0


class _Unsplit(Layout):
    """Machine folders with a folder for each id, and in that one for each label."""

    id_name: re.Pattern[str]
    labels: dict[str, int]

    def machines(self, survey: Survey) -> Folders:
        """Folders that hold ids; below a folder of the root (a noise level), named after both."""
        found: dict[str, tuple[str, ...]] = {}
        for entry in survey.folders(str(survey.root)):
            if self._ids(survey, entry.path):
                found[entry.name] = (entry.path,)
                continue
            for inner in survey.folders(entry.path):
                if self._ids(survey, inner.path):
                    found[f"{entry.name}_{inner.name}"] = (inner.path,)
        return found

    def clips(self, survey: Survey, machine: str, folder: str) -> Iterator[Clip]:
        """All recordings in the folders of labels, split."""
        for machine_id, id_folder in self._ids(survey, folder):
            recordings = [
                (os.path.join(id_folder, name), label)
                for name, label in self.labels.items()
                if os.path.isdir(os.path.join(id_folder, name))
            ]
            files = []
            for path, label in recordings:
                for entry in survey.entries(path):
                    if survey.is_recording(entry.name):
                        files.append((entry.path, label))
                    else:
                        survey.ignore(entry.path)
            anomalies = {self.event(path) for path, label in files if label == 1}
            normal = sorted({self.event(path) for path, label in files if label == 0}, key=_digest)
            tested = anomalies | set(normal[: min(len(anomalies), len(normal) // 2)])
            for path, label in files:
                yield survey.clip(path, machine, "test" if self.event(path) in tested else "train", label, machine_id)

    def _ids(self, survey: Survey, folder: str) -> list[tuple[str, str]]:
        found = [(self.id_name.fullmatch(entry.name), entry.path) for entry in survey.folders(folder)]
        return [
            (match[1], path)
            for match, path in found
            if match and any(os.path.isdir(os.path.join(path, name)) for name in self.labels)
        ]

    @abstractmethod
    def event(self, path: str) -> str:
        """What was recorded: files of one event are never on both sides of the split."""


class MimiiLayout(_Unsplit):
    """MIMII (2019): 8 channels a file; ``channel`` of a spec's ``[data]`` says which."""

    shape = "<root>/[<snr>/]<machine>/id_XX/{normal,abnormal}/########.wav"
    id_name = re.compile(r"id_([0-9]+)")
    labels = {"normal": 0, "abnormal": 1}  # noqa: RUF012

    def event(self, path: str) -> str:
        """The label's folder and the file's name: numbers of both classes begin at 0."""
        return "/".join(path.replace(os.sep, "/").split("/")[-3:])


class ToyAdmosLayout(_Unsplit):
    """ToyADMOS (2019), the recordings of single events: a file for each of four microphones."""

    shape = "<root>/<machine>/caseX/{NormalSound_IND,AnomalousSound_IND}/*_IND_chX_####.wav"
    id_name = re.compile(r"(case[0-9]+)")
    labels = {"NormalSound_IND": 0, "AnomalousSound_IND": 1}  # noqa: RUF012

    def event(self, path: str) -> str:
        """The file's name without its microphone."""
        return re.sub(r"_ch[0-9]+", "", os.path.basename(path))


def _digest(event: str) -> bytes:
    return hashlib.sha256(f"{SPLIT_SEED}\0{event}".encode("utf-8", "surrogateescape")).digest()
