"""Layouts: which folders are machines, and which files are their clips; and one scan of a data folder."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from asdkit.audio.io import WAV_OR_FLAC, UnreadFiles, suffixes
from asdkit.config import Config
from asdkit.errors import AsdkitWarning
from asdkit.layouts.clip import Clip, Split
from asdkit.text import printable

SPLITS: tuple[Split, ...] = ("train", "test")
LABELS = {"normal": 0, "anomaly": 1}
_SYNONYMS = {"abnormal": "anomaly", "anomalous": "anomaly"}  # abnormal: the word of MIMII
_FAULTY = frozenset(
    ("bad", "broken", "damaged", "defect", "defective", "failure", "fault", "faulty", "ng", "nok", "worn")
)
ONLY_ID = "00"  # for recordings whose path has no id

Folders = dict[str, tuple[str, ...]]
"""Folders of each machine, by machine."""

_EXAMPLES = 3  # names of ignored files in a warning


class Layout(ABC):
    """How the clips of a data set are arranged in folders. Constructed as ``Class(config)``.

    A layout looks at names and tables alone; it opens no recording, and never guesses a label. Whatever does not fit is
    passed to ``scan.ignore`` or added to ``scan.faults``. The core checks what it yields, and joins scores by name.

    Parameters
    ----------
    config
        Its options.

    Examples
    --------
    Recordings in folders by machine, all for training:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from asdkit.api import Config, FolderScan, Layout
    >>> class Flat(Layout):
    ...     shape = "<root>/<machine>/*.wav"
    ...     examples = {"fan/a.wav": ""}
    ...     def machines(self, scan):
    ...         return {entry.name: (entry.path,) for entry in scan.folders(str(scan.root))}
    ...     def clips(self, scan, machine, folder):
    ...         for entry in scan.entries(folder):
    ...             if scan.is_recording(entry.name):
    ...                 yield scan.clip(entry.path, machine, "train", 0, "00")
    ...             else:
    ...                 scan.ignore(entry.path)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "fan").mkdir(), Path(folder, "fan", "a.wav").touch()
    ...     layout, scan = Flat(Config()), FolderScan(Path(folder))
    ...     [clip.name for clip in layout.clips(scan, "fan", layout.machines(scan)["fan"][0])]
    ['fan/a.wav']
    """

    shape: ClassVar[str]
    """The layout in one or two lines, for error messages."""
    examples: ClassVar[Mapping[str, str]]
    """Path -> text of the files of a small data folder in this layout, for its checks; recordings have no text."""
    tables: ClassVar[tuple[str, ...]] = ()
    """Suffixes of files that a user names instead of a folder, such as ``".csv"``."""
    specific: ClassVar[bool] = True
    """Whether a folder that fits is of this layout; False where most folders fit. `asdkit init` asks those last."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def root(self, given: Path) -> Path:
        """Return the folder that clip names are relative to, from what the user named."""
        return given.parent if given.suffix.lower() in self.tables else given

    @abstractmethod
    def machines(self, scan: FolderScan) -> Folders:
        """Find the folders of each machine below ``scan.root``; a table's machines have the table as their folder."""

    @abstractmethod
    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield all clips of a machine in one of its folders, each made by ``scan.clip``."""


def label_of(word: str) -> int | None:
    """Return the label of a word such as ``normal``, ``anomaly`` or ``Abnormal``; None if it is not one."""
    word = word.casefold()
    return LABELS.get(_SYNONYMS.get(word, word))


def names_faulty(word: str) -> bool:
    """Return whether a folder of this name holds recordings of faulty machines, such as ``abnormal`` or ``NG``."""
    return label_of(word) == LABELS["anomaly"] or word.casefold() in _FAULTY


def is_recording(name: str, endings: tuple[str, ...] = WAV_OR_FLAC) -> bool:
    """Whether a file name has the suffix of a recording; `asdkit.audio.io.suffixes` gives other suffixes."""
    return name.lower().endswith(endings)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one. A circular link is not a folder, and not an error."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


class FolderScan:
    """One scan of a data folder: lists it and collects errors and ignored files.

    Attributes
    ----------
    root
        The data folder.
    given
        What the user named: that folder, or a table in it.
    faults
        Errors, one line each.
    ignored
        Names of files and folders that are not clips of the layout, without duplicates.
    unread
        Audio files of other formats.
    table
        Rows of a table by machine, once it was read.
    linked
        Whether a symbolic link was seen, so that two paths may lead to one file.
    notes
        Warnings for the user.
    """

    def __init__(self, root: Path, given: Path | None = None, containers: Collection[str] = ()) -> None:
        self.root = root
        self.given = given or root
        self._endings = suffixes(containers)
        self.faults: list[str] = []
        self._below = len(os.path.join(root, ""))
        self.ignored: dict[str, None] = {}
        self.unread = UnreadFiles(containers)
        self.table: dict[str, list[dict[str, str]]] | None = None
        self.linked = False
        self.notes: list[str] = []

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """List a folder without hidden files. Hidden recordings are noted as ignored; a missing folder is empty."""
        self.linked = self.linked or os.path.islink(folder)
        try:
            with os.scandir(folder) as listing:
                listed = list(listing)
        except FileNotFoundError:
            return []
        except OSError as error:
            self.faults.append(f"{printable(folder)}: cannot be listed: {error.strerror}")
            return []
        for entry in listed:
            self.linked = self.linked or entry.is_symlink()
            if entry.name.startswith(".") and self.is_recording(entry.name):
                self.ignore(entry.path)
        visible = [entry for entry in listed if not entry.name.startswith(".")]
        for entry in visible:
            self.unread.add(entry.path)
        return visible

    def is_recording(self, name: str) -> bool:
        """Whether a file name has the suffix of a recording in an accepted container."""
        return is_recording(name, self._endings)

    def folders(self, folder: str) -> list[os.DirEntry[str]]:
        """List the folders in a folder, sorted by name."""
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
        """Make a clip from a file below the root."""
        name, machine, machine_id = self.name(path), printable(machine), printable(machine_id)
        return Clip(Path(path), name, machine, machine_id, split, label, domain, attributes or {})

    def name(self, path: str) -> str:
        """Return a path relative to the root, with ``/`` and printable."""
        name = path[self._below :] if path.startswith(os.path.join(self.root, "")) else path
        return printable(name if os.sep == "/" else name.replace(os.sep, "/"))

    def ignore(self, path: str) -> None:
        """Note a file or folder that is not a clip of the layout."""
        self.ignored[self.name(path)] = None

    def warn_ignored(self) -> None:
        """Warn once about everything that was ignored, and once about audio files of other formats."""
        if line := self.unread.line():
            warnings.warn(f"{printable(str(self.root))}: {line}", AsdkitWarning, stacklevel=3)
        if self.ignored:
            examples = ", ".join(sorted(self.ignored)[:_EXAMPLES]) + (", ..." if len(self.ignored) > _EXAMPLES else "")
            what = "file or folder that is no clip" if len(self.ignored) == 1 else "files or folders that are no clips"
            warnings.warn(
                f"{printable(str(self.root))}: ignored {len(self.ignored)} {what} of this layout: {examples}",
                AsdkitWarning,
                stacklevel=3,
            )
