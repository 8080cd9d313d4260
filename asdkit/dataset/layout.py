"""What a layout is: which folders are machines, and which files are their clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from asdkit.dataset.clips import Clip, Split
from asdkit.dataset.survey import Survey

SPLITS: tuple[Split, ...] = ("train", "test")
LABELS = {"normal": 0, "anomaly": 1}
ONLY_ID = "00"  # of recordings whose place says no id

Folders = dict[str, tuple[str, ...]]
"""The folders of each machine, by machine."""


class Layout(ABC):
    """How the folders of a data set are laid out."""

    shape: str
    """The layout in a line or two, for a person whose folders do not fit it."""

    def root(self, given: Path) -> Path:
        """Folder that names of clips are below."""
        return given

    @abstractmethod
    def machines(self, survey: Survey) -> Folders:
        """Folders of each machine below the root, by machine."""

    @abstractmethod
    def clips(self, survey: Survey, machine: str, folder: str) -> Iterator[Clip]:
        """All clips of a machine in one of its folders."""
