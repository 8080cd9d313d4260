"""New recordings in a folder: each is given once nobody writes it any more, and scored once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile

from asdkit import audio
from asdkit.audio.io import suffixes
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.score_recordings import FileResult, score_files
from asdkit.data.layouts.base import is_recording
from asdkit.errors import BadAudio
from asdkit.text import printable

_PATIENCE = 10  # times the settle time that a file whose header is not right may stay as it is, before it is bad
_SHARE = 10  # looking takes no more than one part in so many of the time
_PAUSE = 0.5  # s between two looks, at most, and half the settle time where that is less
_SLICE = 0.1  # s that a wish to stop may wait

State = tuple[int, int]  # size and time of change [ns]: a file is another one where these differ


@dataclass
class _Pending:
    state: State
    since: float


class FolderWatch:
    """Finds recordings (WAV, FLAC; hidden ones left out) in a folder and below that are new and whole.

    A file is whole when its size and time of change have stayed for `settle` seconds and its header keeps what it
    promises; one whose header does not is given all the same after ten times as long, for the reason to be told.
    Every file is given once, and again only if it is written again. What is kept is one entry for each file there, or
    that was there before the folder, or one below it, went out of sight.

    Parameters
    ----------
    folder
        Where to look. It may vanish and come back.
    settle
        Seconds that a file must stay as it is.
    containers
        Taken beyond WAV and FLAC.
    existing
        Whether the files that are there at the first look are new.
    tell
        Told, in one line, what a person should know, once.
    clock
        Seconds.
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
        self._away = False
        self._device: int | None = None  # file system that the folder is on
        self._unlisted: set[str] = set()  # what could not be looked at the last time
        if not existing:
            self._done = self._list() or {}

    @property
    def done_count(self) -> int:
        """Files that need no more attention."""
        return len(self._done)

    def poll(self) -> list[str]:
        """Paths of the files that have become whole since the last look, folder by folder, by name."""
        found = self._list()
        if found is None:
            return []
        now = self._clock()
        for path in [path for path in self._pending if path not in found]:
            del self._pending[path]
            if not self._is_unlisted(path):
                self._notify(f"{printable(path)}: gone before it was whole")
        self._done = {path: state for path, state in self._done.items() if path in found or self._is_unlisted(path)}
        ready = [path for path, state in found.items() if self._is_ready(path, state, now)]
        for path in ready:
            del self._pending[path]
            self._done[path] = found[path]
        return ready

    def _is_ready(self, path: str, state: State, now: float) -> bool:
        if self._done.get(path) == state:
            return False
        pending = self._pending.get(path)
        if pending is None or pending.state != state:
            self._pending[path] = _Pending(state, now)
            return False
        stayed = now - pending.since
        return stayed >= self.settle * _PATIENCE or (
            stayed >= self.settle and _keeps_its_promise(path, self.containers)
        )

    def _list(self) -> dict[str, State] | None:
        """Every recording and its state; None where the folder is away."""
        try:
            found, unlisted = self._walk()
            device = os.stat(self.folder).st_dev  # raises where the folder went during the walk
        except OSError as error:
            self._is_away(_refusal(error))
            return None
        if not found and self._done and device != self._device:
            self._is_away("empty, on another file system than before")  # a mount point without its share
            return None
        for path in unlisted.keys() - self._unlisted:
            self._notify(f"{printable(path)}: {unlisted[path]}")
        if self._away:
            self._notify(f"{printable(self.folder)}: there again")
        self._away, self._device, self._unlisted = False, device, set(unlisted)
        return found

    def _is_away(self, why: str) -> None:
        if not self._away:
            self._notify(f"{printable(self.folder)}: {why}; waiting for it")
        self._away = True

    def _is_unlisted(self, path: str) -> bool:
        """Whether a file may still be there, in a folder that could not be listed."""
        return any(path == other or path.startswith(other + os.sep) for other in self._unlisted)

    def _walk(self) -> tuple[dict[str, State], dict[str, str]]:
        """Find every recording and its state; and what could not be looked at, and why."""
        found: dict[str, State] = {}
        unlisted: dict[str, str] = {}
        folders = [self.folder]
        while folders:
            folder = folders.pop()
            below: list[str] = []
            try:
                entries = _entries(folder)
            except OSError as error:
                if folder == self.folder:
                    raise
                _note(unlisted, folder, error)
                continue
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.path)
                    elif is_recording(entry.name, self._endings):
                        found[entry.path] = _state(entry)
                except OSError as error:
                    _note(unlisted, entry.path, error)
            folders += reversed(below)
        return found, unlisted


def watch(
    bundle: Bundle, folder: FolderWatch, should_stop: Callable[[], bool], id_: str | None = None
) -> Iterator[FileResult]:
    """Score recordings as they come into a folder, until `should_stop`.

    Parameters
    ----------
    bundle
        What scores them.
    folder
        Finds them.
    should_stop
        Asked some ten times a second, and before each block of recordings.
    id_
        Id of all of them; None: what each name says.
    """
    while not should_stop():
        begin = time.monotonic()
        ready = folder.poll()
        took = time.monotonic() - begin
        yield from score_files(bundle, takewhile(lambda _: not should_stop(), ready), id_)
        pause(max(min(_PAUSE, folder.settle / 2), _SHARE * took), should_stop)


def pause(seconds: float, should_stop: Callable[[], bool]) -> None:
    """Wait so long, or until `should_stop`."""
    until = time.monotonic() + seconds
    while not should_stop() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; nothing hidden."""
    with os.scandir(folder) as listing:
        return sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)


def _note(unlisted: dict[str, str], path: str, error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # deleted since it was listed
        unlisted[path] = _refusal(error)


def _state(entry: os.DirEntry[str]) -> State:
    try:
        status = entry.stat()
    except OSError:
        status = entry.stat(follow_symlinks=False)  # a link that leads nowhere is told as a bad file
    return status.st_size, status.st_mtime_ns


def _keeps_its_promise(path: str, containers: Collection[str]) -> bool:
    try:
        if audio.inspect(path, containers=containers).container not in ("WAV", "RF64"):
            audio.check(path, containers=containers)  # its header cannot tell how many bytes there should be
    except BadAudio:
        return False
    return True


def _refusal(error: OSError) -> str:
    return "not there" if isinstance(error, FileNotFoundError) else f"cannot be listed: {error.strerror}"
