"""Filling a machine's packed features: decoding and kernels overlap over threads, order is fixed, memory bounded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asdkit.errors import DataError, Stopped
from asdkit.features import Features, FloatArray, IntArray

if TYPE_CHECKING:
    from asdkit.audio import Wave
    from asdkit.interfaces import Featurizer


_PATIENCE = 0.1  # seconds between two reports of progress


@dataclass(frozen=True)
class WaveSource:
    """A clip to be made features of.

    Attributes
    ----------
    name
        What messages call it: its path, with the variant if it is one.
    samples
        Length of the wave that `read` gives, known beforehand.
    read
        Gives the wave; may be called from any thread, and at most once.
    """

    name: str
    samples: int
    read: Callable[[], Wave]


def fill_features(
    featurizer: Featurizer,
    sources: Sequence[WaveSource],
    sample_rate: int,
    *,
    threads: int = 1,
    path: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_error: Callable[[int, Exception], None] | None = None,
) -> Features:
    """Featurise clips into one packed matrix.

    Each thread reads a clip and writes its frames straight into the clip's rows, so that no more than one wave a
    thread is held and the result does not depend on how threads take turns.

    Parameters
    ----------
    featurizer
        Makes frames of waves.
    sources
        The clips, in the order that they get in the matrix.
    sample_rate
        Samples a second of all waves.
    threads
        How many clips to read and featurise at once.
    path
        File to keep the matrix in (raw float32, row after row), as a memory map; None keeps it in memory.
    progress
        Called as ``progress(done, total)`` some ten times a second, and at the end, in the calling thread.
    should_stop
        Asked as often, in the calling thread.
    on_error
        Called as ``on_error(index, error)``, in the calling thread, for a clip that could not be read or featurised.
        If it returns, the clip is left out: the features have one clip fewer. Without it the error is raised.

    Returns
    -------
    Features
        The clips in order, those left out excepted.

    Raises
    ------
    DataError
        If a wave has another number of samples than was planned.
    Stopped
        If `should_stop` said so.
    Exception
        What reading or featurising a clip raised, unless `on_error` takes it.
    """
    rows = np.array([featurizer.rows(source.samples) for source in sources], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    frames = _matrix(int(offsets[-1]), featurizer.bands, path)
    work = _Work(featurizer, sources, sample_rate, frames, offsets)
    left_out: list[int] = []
    done = 0
    workers = [threading.Thread(target=work.run, daemon=True) for _ in range(max(1, threads))]
    for worker in workers:
        worker.start()
    try:
        while done < len(sources):
            results = work.next_results()
            for index, error in results:
                if error is None:
                    continue
                if on_error is None or not isinstance(error, Exception):
                    raise error
                on_error(index, error)
                left_out.append(index)
            done += len(results)
            if progress is not None:
                progress(done, len(sources))
            if should_stop is not None and should_stop():
                raise Stopped("stopped while features were made")
    finally:
        work.stop()
        for worker in workers:
            worker.join()
    if left_out:
        frames, offsets = _close_gaps(frames, offsets, rows, left_out)
    return Features(frames, offsets, featurizer.scale)


class _Work:
    """Clips still to do, which threads take in order, and what came of those done."""

    def __init__(
        self,
        featurizer: Featurizer,
        sources: Sequence[WaveSource],
        sample_rate: int,
        frames: FloatArray,
        offsets: IntArray,
    ) -> None:
        self._featurizer = featurizer
        self._sources = sources
        self._sample_rate = sample_rate
        self._frames = frames
        self._offsets = offsets.tolist()
        self._next = iter(range(len(sources)))
        self._results: list[tuple[int, BaseException | None]] = []
        self._left = len(sources)
        self._changed = threading.Condition()
        self._stopping = False

    def run(self) -> None:
        """Do clips until none is left."""
        while True:
            with self._changed:
                index = None if self._stopping else next(self._next, None)
            if index is None:
                return
            error: BaseException | None = None
            try:
                self._fill(index)
            except BaseException as raised:
                error = raised
            with self._changed:
                self._results.append((index, error))
                self._left -= 1
                if error is not None or self._left == 0:
                    self._changed.notify()

    def next_results(self) -> list[tuple[int, BaseException | None]]:
        """Clips done of late, and what went wrong with each.

        Waits for a failure, the end, or a tenth of a second: to wake the caller for each clip would cost more than
        reading it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._left == 0 or any(error for _, error in self._results), _PATIENCE)
            results, self._results = self._results, []
        return results

    def stop(self) -> None:
        """Let threads end after the clip that they are at."""
        with self._changed:
            self._stopping = True

    def _fill(self, index: int) -> None:
        source = self._sources[index]
        wave = source.read()
        if len(wave) != source.samples:
            raise DataError(
                f"{source.name}: has {len(wave)} samples, but {source.samples} were expected",
                hint="Did the file change while features were made? Run again.",
            )
        rows = self._frames[self._offsets[index] : self._offsets[index + 1]]
        self._featurizer.fill(wave, self._sample_rate, rows)
        if not np.isfinite(rows).all():
            raise DataError(f"{source.name}: the featurizer gave frames that are NaN or infinite")


def _matrix(rows: int, bands: int, path: Path | None) -> FloatArray:
    if path is None or rows == 0:
        return np.empty((rows, bands), np.float32)
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):  # a full disk says so here, not as a signal when a page is written
            os.posix_fallocate(file.fileno(), 0, rows * bands * 4)
        else:
            file.truncate(rows * bands * 4)
    return np.memmap(path, np.float32, "r+", shape=(rows, bands))


def _close_gaps(
    frames: FloatArray, offsets: IntArray, rows: IntArray, left_out: Sequence[int]
) -> tuple[FloatArray, IntArray]:
    """Move the rows of later clips over those of clips left out."""
    kept = np.delete(np.arange(len(rows)), left_out)
    packed = np.concatenate([[0], np.cumsum(rows[kept])]).astype(np.int64)
    for place, clip in enumerate(kept):
        if packed[place] != offsets[clip]:
            frames[packed[place] : packed[place + 1]] = frames[offsets[clip] : offsets[clip + 1]]
    return frames[: packed[-1]], packed
