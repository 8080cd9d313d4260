"""Watch a folder: score each new recording once, when it is complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile

from asdkit import audio
from asdkit.audio import UnreadFiles
from asdkit.audio.io import suffixes
from asdkit.bundle.score_recordings import FileResult
from asdkit.bundle.scoring_process import Scorer
from asdkit.errors import BadAudio
from asdkit.layouts.base import is_recording
from asdkit.text import printable

_BAD_AFTER = 10  # times `settle`: then a file with a wrong header is returned as it is
_IDLE_FACTOR = 10  # the pause after a poll is at least so many times the poll's duration
_PAUSE = 0.5  # longest pause between polls [s]; half of `settle` if that is shorter
_STOP_CHECK = 0.1  # longest time between two checks of `should_stop` [s]

State = tuple[int, int]  # size, time of change [ns]; a file with another state is another file


@dataclass
class _Pending:
    state: State
    since: float


class FolderWatch:
    """Finds new, complete recordings (WAV, FLAC; not hidden ones) in a folder and its subfolders.

    A file is complete when its size and time of change have not changed for `settle` seconds and it has as much audio
    as its header says. A file that does not is returned after ten times as long, so that it is reported as bad. Each
    file is returned once, and again if it is written again. Memory: one entry per file that is there, or was there
    before its folder became unavailable.

    Parameters
    ----------
    folder
        The folder. It may become unavailable and return.
    settle
        Seconds without a change after which a file is complete.
    containers
        Containers to take in addition to WAV and FLAC.
    existing
        Whether files that are there at the first poll are new.
    notify
        Called with one line for each change that a user should know of.
    clock
        Returns the time [s].
    """

    def __init__(
        self,
        folder: str,
        *,
        settle: float = 1.0,
        containers: Collection[str] = (),
        existing: bool = False,
        notify: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.settle, self.containers = folder, settle, containers
        self._notify, self._clock, self._endings = notify, clock, suffixes(containers)
        self._done: dict[str, State] = {}
        self._pending: dict[str, _Pending] = {}
        self._unavailable = False
        self._device: int | None = None  # file system of the folder
        self._unlisted: set[str] = set()  # subfolders and files that the last poll could not read
        self._unread: set[str] = set()  # suffixes of audio files that are not read, as reported
        if not existing:
            self._done = self._list() or {}

    @property
    def done_count(self) -> int:
        """Number of files that were returned, or were there before and are not new."""
        return len(self._done)

    def count_existing(self) -> int:
        """Return the number of recordings in the folder now."""
        return len(self._list() or {})

    def poll(self) -> list[str]:
        """Return the paths of the files completed since the last poll, folder by folder, sorted by name."""
        files = self._list()
        if files is None:
            return []
        now = self._clock()
        for path in [path for path in self._pending if path not in files]:
            del self._pending[path]
            if not self._is_unlisted(path):
                self._notify(f"{printable(path)}: deleted before it was complete")
        self._done = {path: state for path, state in self._done.items() if path in files or self._is_unlisted(path)}
        complete = [path for path, state in files.items() if self._is_complete(path, state, now)]
        for path in complete:
            del self._pending[path]
            self._done[path] = files[path]
        return complete

    def _is_complete(self, path: str, state: State, now: float) -> bool:
        if self._done.get(path) == state:
            return False
        pending = self._pending.get(path)
        if pending is None or pending.state != state:
            self._pending[path] = _Pending(state, now)
            return False
        unchanged = now - pending.since
        return unchanged >= self.settle * _BAD_AFTER or (
            unchanged >= self.settle and _has_all_audio(path, self.containers)
        )

    def _list(self) -> dict[str, State] | None:
        """Return the state of each recording; None if the folder is unavailable."""
        try:
            files, unlisted, unread = self._walk()
            device = os.stat(self.folder).st_dev  # raises an error if the folder was removed during the walk
        except OSError as error:
            self._set_unavailable(_cause(error))
            return None
        if not files and self._done and device != self._device:
            self._set_unavailable("empty, on another file system than before")  # a mount point without its share
            return None
        for path in unlisted.keys() - self._unlisted:
            self._notify(f"{printable(path)}: {unlisted[path]}")
        if unread.found - self._unread:
            self._notify(f"{printable(self.folder)}: {unread.line()}")
            self._unread |= unread.found
        if self._unavailable:
            self._notify(f"{printable(self.folder)}: available again")
        self._unavailable, self._device, self._unlisted = False, device, set(unlisted)
        return files

    def _set_unavailable(self, cause: str) -> None:
        if not self._unavailable:
            self._notify(f"{printable(self.folder)}: {cause}; waiting for it")
        self._unavailable = True

    def _is_unlisted(self, path: str) -> bool:
        """Return whether a file may still exist, in a folder that could not be listed."""
        return any(path == other or path.startswith(other + os.sep) for other in self._unlisted)

    def _walk(self) -> tuple[dict[str, State], dict[str, str], UnreadFiles]:
        """Return the state of each recording, what could not be read with the cause, and files of other formats."""
        unread = UnreadFiles(self.containers)
        files: dict[str, State] = {}
        unlisted: dict[str, str] = {}
        folders = [self.folder]  # a stack: recursion would limit the depth
        while folders:
            folder = folders.pop()
            subfolders: list[str] = []
            try:
                entries = _visible_entries(folder)
            except OSError as error:
                if folder == self.folder:
                    raise
                _add_cause(unlisted, folder, error)
                continue
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        subfolders.append(entry.path)
                    elif is_recording(entry.name, self._endings):
                        files[entry.path] = _state(entry)
                    else:
                        unread.add(entry.path)
                except OSError as error:
                    _add_cause(unlisted, entry.path, error)
            folders += reversed(subfolders)
        return files, unlisted, unread


def watch(scorer: Scorer, folder: FolderWatch, should_stop: Callable[[], bool]) -> Iterator[FileResult]:
    """Score recordings as they appear in a folder, until `should_stop` returns True.

    Parameters
    ----------
    scorer
        Scores them; see `asdkit.bundle.scoring_process.opened_scorer`.
    folder
        The folder.
    should_stop
        Called about ten times a second, and before each block of recordings.
    """
    while not should_stop():
        begin = time.monotonic()
        paths = folder.poll()
        duration = time.monotonic() - begin
        yield from scorer.score(takewhile(lambda _: not should_stop(), paths))
        pause(max(min(_PAUSE, folder.settle / 2), _IDLE_FACTOR * duration), should_stop)


def pause(seconds: float, should_stop: Callable[[], bool]) -> None:
    """Wait for this time, or until `should_stop` returns True."""
    end = time.monotonic() + seconds
    while not should_stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _STOP_CHECK))


def _visible_entries(folder: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that are not hidden, sorted by name."""
    with os.scandir(folder) as listing:
        return sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)


def _add_cause(unlisted: dict[str, str], path: str, error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # deleted since it was listed
        unlisted[path] = _cause(error)


def _state(entry: os.DirEntry[str]) -> State:
    try:
        status = entry.stat()
    except OSError:
        status = entry.stat(follow_symlinks=False)  # a broken link is later reported as a bad file
    return status.st_size, status.st_mtime_ns


def _has_all_audio(path: str, containers: Collection[str]) -> bool:
    try:
        info = audio.inspect(path, containers=containers)
        if info.container not in ("WAV", "RF64", "BW64"):
            audio.check(path, containers=containers)  # only decoding shows whether such a file is complete
    except BadAudio:
        return False
    return not info.note  # an open length does not show it either


def _cause(error: OSError) -> str:
    return "not there" if isinstance(error, FileNotFoundError) else f"cannot be listed: {error.strerror}"
