"""What a layout is: which folders are machines, and which files are their clips.

Looking through a data folder: listing it, and keeping what is wrong or was left aside until all is known.
"""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from asdkit.audio.io import WAV_OR_FLAC, suffixes
from asdkit.data.clip import Clip, Split
from asdkit.errors import AsdkitWarning
from asdkit.text import printable

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


EXAMPLES = 3


def is_recording(name: str, endings: tuple[str, ...] = WAV_OR_FLAC) -> bool:
    """Whether a file name ends as a recording's does; `asdkit.audio.io.suffixes` gives other endings."""
    return name.lower().endswith(endings)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link in a circle is not, and no error either."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


class Survey:
    """One look through a data folder.

    Attributes
    ----------
    root
        The folder.
    given
        What the person named: that folder, or a table in it.
    faults
        What is wrong, one line each.
    ignored
        Names of what is no clip of the layout, each once.
    """

    def __init__(self, root: Path, given: Path | None = None, containers: Collection[str] = ()) -> None:
        self.root = root
        self.given = given or root
        self._endings = suffixes(containers)
        self.faults: list[str] = []
        self._below = len(os.path.join(root, ""))
        self.ignored: dict[str, None] = {}

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """List a folder, hidden files left out, but noted if they are recordings; one that is not there is empty."""
        try:
            with os.scandir(folder) as listing:
                every = list(listing)
        except FileNotFoundError:
            return []
        except OSError as error:
            self.faults.append(f"{printable(folder)}: cannot be listed: {error.strerror}")
            return []
        for entry in every:
            if entry.name.startswith(".") and self.is_recording(entry.name):
                self.ignore(entry.path)
        return [entry for entry in every if not entry.name.startswith(".")]

    def is_recording(self, name: str) -> bool:
        """Whether a file name ends as a recording's does, in a container that is taken."""
        return is_recording(name, self._endings)

    def folders(self, folder: str) -> list[os.DirEntry[str]]:
        """Folders in a folder, by name."""
        return sorted((entry for entry in self.entries(folder) if is_folder(entry)), key=lambda entry: entry.name)

    def clip(
        self,
        path: str,
        machine: str,
        split: Split,
        label: int | None,
        machine_id: str,
        *,
        domain: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> Clip:
        """Make a clip of a file below the root."""
        name, machine, machine_id = self.name(path), printable(machine), printable(machine_id)
        return Clip(Path(path), name, machine, machine_id, split, label, domain, attributes or {})

    def name(self, path: str) -> str:
        """Path below the root, with ``/`` and printable."""
        name = path[self._below :] if path.startswith(os.path.join(self.root, "")) else path
        return printable(name if os.sep == "/" else name.replace(os.sep, "/"))

    def ignore(self, path: str) -> None:
        """Note something that is not a clip of the layout."""
        self.ignored[self.name(path)] = None

    def tell_ignored(self) -> None:
        """Warn of all that was ignored, once."""
        if self.ignored:
            examples = ", ".join(sorted(self.ignored)[:EXAMPLES]) + (", ..." if len(self.ignored) > EXAMPLES else "")
            what = "file or folder that is no clip" if len(self.ignored) == 1 else "files or folders that are no clips"
            warnings.warn(
                f"{printable(str(self.root))}: ignored {len(self.ignored)} {what} of this layout: {examples}",
                AsdkitWarning,
                stacklevel=3,
            )
