"""Score recordings in a process of its own: a plugin that ends it costs one file, not those after it."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Protocol

from asdkit.audio import Container
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.calibration import Calibrator
from asdkit.bundle.score_recordings import BLOCK_CLIPS, FileResult, score_files
from asdkit.errors import AsdkitWarning, DataError, PluginError
from asdkit.worker_process import Worker, WorkerDied, can_fork

MAX_DEATHS = 3
"""How many processes in a row may end in a plugin, each at another file, before the rest is given up."""

_Facts = tuple[tuple[Container, ...], Calibrator, int]
"""Containers, calibrator, and a checksum of the bundle's files."""


class Scorer(Protocol):
    """Scores recordings with an open bundle.

    Attributes
    ----------
    containers
        Containers that the bundle accepts in addition to WAV and FLAC.
    calibrator
        Of the bundle.
    """

    containers: tuple[Container, ...]
    calibrator: Calibrator

    def score(self, paths: Iterable[str | FileResult]) -> Iterator[FileResult]:
        """Score recordings in order; see `score_files`."""


@contextmanager
def opened_scorer(open_bundle: Callable[[], Bundle], id_: str | None, *, persistent: bool = False) -> Iterator[Scorer]:
    """Open a bundle for scoring, in a process of its own if this process can fork.

    Parameters
    ----------
    open_bundle
        Opens the bundle; called again for each new process.
    id_
        Id of all recordings; None: the id in each path.
    persistent
        Whether to try each recording, however many processes ended.

    Raises
    ------
    PluginError
        If a plugin ends the process while the bundle is opened.
    AsdkitError
        What `open_bundle` raises.
    """
    if not can_fork():
        yield InProcess(open_bundle(), id_)
        return
    with closing(_InWorker(open_bundle, id_, None if persistent else MAX_DEATHS)) as scorer:
        yield scorer


class InProcess:
    """A `Scorer` in this process."""

    def __init__(self, bundle: Bundle, id_: str | None = None) -> None:
        self._bundle, self._id = bundle, id_
        self.containers, self.calibrator, _ = _facts(bundle)

    def score(self, paths: Iterable[str | FileResult]) -> Iterator[FileResult]:
        """Score recordings in order."""
        return score_files(self._bundle, paths, self._id)


class _InWorker:
    """A `Scorer` in a forked process, which is replaced when it dies.

    Recordings are sent in blocks, which grow. If the process dies in a block, a new one scores the rest of that block
    one by one, so that the recording is known at which it dies.
    """

    def __init__(self, open_bundle: Callable[[], Bundle], id_: str | None, max_deaths: int | None) -> None:
        self._open, self._id, self._max_deaths = open_bundle, id_, max_deaths
        self._bundle: Bundle | None = None  # in the forked process
        self._death: WorkerDied | None = None  # the last one
        self._deaths = 0  # in a row, each at a recording
        self._worker, self._facts = self._start()
        self.containers, self.calibrator, _ = self._facts

    def score(self, paths: Iterable[str | FileResult]) -> Iterator[FileResult]:
        left, size = iter(paths), 1
        while block := list(islice(left, size)):
            yield from self._score_block(block)
            size = min(2 * size, BLOCK_CLIPS)

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _score_block(self, block: list[str | FileResult]) -> Iterator[FileResult]:
        if self._deaths == self._max_deaths:
            reason = f"not scored: {self._deaths} processes in a row ended, the last: {self._death}"
            yield from (_bad(item, reason, plugin_failed=True) for item in block)
            return
        if self._worker.ended:
            self._worker, facts = self._start()
            if facts[-1] != self._facts[-1]:
                raise DataError("the bundle was replaced while recordings were scored", hint="Run the command again.")
        count = 0
        try:
            for result in self._worker.request(block):
                count += 1
                self._deaths = 0 if result.verdict else self._deaths
                yield result
        except WorkerDied as death:
            self._death = death
        left = block[count:]
        if len(block) > 1:
            for item in left:
                yield from self._score_block([item])
        elif left:
            self._deaths += 1
            plugin_failed = bool(self._death and self._death.call and not self._death.killed)
            yield _bad(left[0], f"{self._death}; not scored", plugin_failed=plugin_failed)

    def _start(self) -> tuple[Worker, _Facts]:
        worker = Worker(self._answer)
        try:
            (facts,) = worker.request(None)
        except WorkerDied as death:
            raise PluginError(
                f"cannot open the bundle: {death}",
                hint="Update or replace the plugin, or report the error to its authors.",
            ) from None
        except BaseException:
            worker.close()
            raise
        return worker, facts

    def _answer(self, block: list[str | FileResult] | None) -> Iterator[object]:
        """Open the bundle and yield the facts, or score a block: in the forked process."""
        if block is not None:
            assert self._bundle is not None  # the first request opens it
            yield from score_files(self._bundle, block, self._id, block=len(block))
            return
        with warnings.catch_warnings():
            if self._death:  # warnings were shown before
                warnings.simplefilter("ignore", AsdkitWarning)
            self._bundle = self._open()
        yield _facts(self._bundle)


def _bad(item: str | FileResult, reason: str, *, plugin_failed: bool) -> FileResult:
    return item if isinstance(item, FileResult) else FileResult(item, None, reason, plugin_failed=plugin_failed)


def _facts(bundle: Bundle) -> _Facts:
    checksum = 0
    for name in sorted(bundle.files):
        checksum = zlib.crc32(bundle.files[name], zlib.crc32(name.encode(), checksum))
    return bundle.description.containers, bundle.calibrator, checksum
