"""Looking through a data folder: listing it, and keeping what is wrong or was left aside until all is known."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from asdkit.dataset.clips import Clip, Split
from asdkit.errors import AsdkitWarning
from asdkit.naming import printable

SUFFIXES = (".wav", ".flac")
EXAMPLES = 3


def is_recording(name: str) -> bool:
    """Whether a file name ends as a recording's does."""
    return name.lower().endswith(SUFFIXES)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link in a circle is not, and no error either."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


class Survey:
    """One look through a data folder.

    Attributes
    ----------
    root
        The folder, as given.
    faults
        What is wrong, one line each.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[str] = []
        self._below = len(os.path.join(root, ""))
        self._ignored: list[str] = []
        self._n_ignored = 0

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """List a folder, hidden files left out; a folder that is not there is empty."""
        try:
            with os.scandir(folder) as listing:
                return [entry for entry in listing if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError as error:
            self.faults.append(f"{printable(folder)}: cannot be listed: {error.strerror}")
            return []

    def folders(self, folder: str) -> list[os.DirEntry[str]]:
        """Folders in a folder, by name."""
        return sorted((entry for entry in self.entries(folder) if is_folder(entry)), key=lambda entry: entry.name)

    def clip(self, path: str, machine: str, split: Split, label: int | None, machine_id: str) -> Clip:
        """Make a clip of a file below the root."""
        return Clip(Path(path), self.name(path), printable(machine), printable(machine_id), split, label)

    def name(self, path: str) -> str:
        """Path below the root, with ``/`` and printable."""
        name = path[self._below :]
        return printable(name if os.sep == "/" else name.replace(os.sep, "/"))

    def ignore(self, path: str) -> None:
        """Count something that is not a clip of the layout."""
        self._n_ignored += 1
        if len(self._ignored) < EXAMPLES:
            self._ignored.append(self.name(path))

    def tell_ignored(self) -> None:
        """Warn of all that was ignored, once."""
        if self._n_ignored:
            examples = ", ".join(sorted(self._ignored)) + (", ..." if self._n_ignored > len(self._ignored) else "")
            what = "file or folder that is no clip" if self._n_ignored == 1 else "files or folders that are no clips"
            warnings.warn(
                f"{printable(str(self.root))}: ignored {self._n_ignored} {what} of this layout: {examples}",
                AsdkitWarning,
                stacklevel=3,
            )
