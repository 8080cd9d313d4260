"""Extract the features of a machine's clips into one packed matrix.

Threads decode and featurize clips at once; the order of clips is fixed, and memory is bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asdkit import mapped
from asdkit.audio import Wave
from asdkit.context import Context
from asdkit.errors import DataError, Stopped
from asdkit.features import Features, FloatArray, IntArray
from asdkit.interfaces import Featurizer
from asdkit.plugin_calls import plugin_call, title_of, watched

_PART_SAMPLES = 1 << 22  # of a long wave, at a time
_PROGRESS_INTERVAL = 0.1  # seconds between two calls of `progress`


@dataclass(frozen=True)
class WaveSource:
    """A clip to featurize.

    Attributes
    ----------
    name
        The clip in messages: its path, and the variant if it has one.
    samples
        Length of the wave that `read` returns, known beforehand.
    read
        Returns the wave; called from any thread.
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
    map_large: bool = False,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Features:
    """Featurize clips into one packed matrix.

    Each thread reads a clip and writes its frames into the clip's rows. So no more than one wave per thread is in
    memory, and the result does not depend on the order in which threads run. A long wave is featurized part by part, if
    the featurizer has the attributes ``hop`` and ``reach``.

    Parameters
    ----------
    featurizer
        Converts waves into frames.
    sources
        The clips, in the order of the matrix.
    sample_rate
        Samples per second of all waves.
    threads
        Number of clips to read and featurize at once.
    path
        File of the matrix (raw float32, row after row), used as a memory map; None keeps the matrix in memory.
    map_large
        Without `path`: whether a large matrix is a memory map of a temporary file; see `asdkit.mapped.empty`.
    progress
        Called as ``progress(done, total)`` about ten times per second, and at the end, in the calling thread.
    should_stop
        Called as often, in the calling thread.

    Raises
    ------
    DataError
        If a wave does not have the expected number of samples, or samples or frames are not finite.
    Stopped
        If `should_stop` returned True.
    PluginError
        If the featurizer raises an error.
    Exception
        The error of reading a clip.
    """
    rows = np.array([rows_of(featurizer, source.samples) for source in sources], dtype=np.int64)
    with plugin_call(featurizer, "bands"):
        bands, scale = featurizer.bands, featurizer.scale
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    frames = _empty_matrix(int(offsets[-1]), bands, path, map_large)
    queue = _ClipQueue(featurizer, sources, sample_rate, frames, offsets)
    with watched(title_of(featurizer), "feature extraction"):
        queue.run(threads, progress, should_stop)
    return Features(frames, offsets, scale)


def fit_featurizer(featurizer: Any, sources: Sequence[WaveSource], sample_rate: int, ctx: Context) -> bool:
    """Fit a featurizer that has a state (`asdkit.api.FittedFeaturizer`); return whether it has one.

    Parameters
    ----------
    featurizer
        The featurizer.
    sources
        The training clips as recorded.
    sample_rate
        Samples per second of all waves.
    ctx
        Of the fit.

    Raises
    ------
    PluginError
        If the featurizer raises an error.
    Exception
        The error of reading a clip, or `Stopped`.
    """
    if not hasattr(featurizer, "fit"):
        return False
    with plugin_call(featurizer, "fit"):
        featurizer.fit(_TrainingWaves(sources, ctx), sample_rate, ctx)
    return True


class _TrainingWaves(Collection[Wave]):
    """Waves of training clips, each read when it is its turn."""

    def __init__(self, sources: Sequence[WaveSource], ctx: Context) -> None:
        self._sources, self._ctx = sources, ctx

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Wave]:
        for source in self._sources:
            self._ctx.raise_if_stopped()
            yield _checked(source)

    def __contains__(self, wave: object) -> bool:
        return any(wave is own for own in self)


def rows_of(featurizer: Featurizer, samples: int) -> int:
    """Return the number of frames of a wave; raises `PluginError` if the featurizer fails."""
    with plugin_call(featurizer, "rows"):
        return int(featurizer.rows(samples))


def hop_and_reach(featurizer: Featurizer) -> tuple[int, int] | None:
    """Return the attributes by which a featurizer can be given a wave part by part; None if it has none."""
    hop, reach = getattr(featurizer, "hop", None), getattr(featurizer, "reach", None)
    return None if hop is None or reach is None else (int(hop), int(reach))


def _checked(source: WaveSource) -> Wave:
    """Read a clip whose wave is as long as expected and finite."""
    wave = source.read()
    if len(wave) != source.samples:
        raise DataError(
            f"{source.name}: has {len(wave)} samples, but {source.samples} were expected",
            hint="Did the file change during feature extraction? Run again.",
        )
    if wave.dtype != np.int16 and not all(np.isfinite(block).all() for block in mapped.blocks(wave)):
        raise DataError(f"{source.name}: the wave holds numbers that are NaN or infinite")
    return wave


def _empty_matrix(rows: int, bands: int, path: Path | None, map_large: bool) -> FloatArray:
    if rows and path is not None:
        return mapped.empty_file(path, (rows, bands), np.float32)
    matrix: FloatArray = (mapped.empty if map_large else np.empty)((rows, bands), np.float32)
    return matrix


def _fill(featurizer: Featurizer, wave: Wave, sample_rate: int, out: FloatArray) -> None:
    """Write the frames of a wave, a long one part by part."""
    parts = hop_and_reach(featurizer)
    if len(wave) <= _PART_SAMPLES or parts is None:
        featurizer.fill(wave, sample_rate, out)
        return
    hop, reach = parts
    margin = -(-reach // hop)
    step = max(1, _PART_SAMPLES // hop)
    for first in range(0, len(out), step):
        last = min(first + step, len(out))
        # Frames at the ends of a part are padded there, unless the wave ends there too: those of a margin are left out.
        begin = max(0, first - margin)
        part = wave[begin * hop : (last + margin) * hop if last < len(out) else None]
        rows = np.empty((featurizer.rows(len(part)), featurizer.bands), np.float32)
        featurizer.fill(part, sample_rate, rows)
        out[first:last] = rows[first - begin : last - begin]
        mapped.release(wave)
        mapped.release(out)


class _ClipQueue:
    """Clips that threads featurize in order."""

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
        self._done = 0
        self._error: BaseException | None = None
        self._stopping = False
        self._changed = threading.Condition()

    def run(
        self, threads: int, progress: Callable[[int, int], None] | None, should_stop: Callable[[], bool] | None
    ) -> None:
        """Featurize all clips; raises the first error."""
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(max(1, threads))]
        for worker in workers:
            worker.start()
        total, done = len(self._sources), 0
        try:
            while done < total:
                done = self._wait()
                if progress is not None:
                    progress(done, total)
                if should_stop is not None and should_stop():
                    raise Stopped("stopped during feature extraction")
        finally:
            with self._changed:
                self._stopping = True
            for worker in workers:
                worker.join()

    def _wait(self) -> int:
        """Number of finished clips, after an error, the end, or a tenth of a second.

        Waking the caller for each clip would take longer than reading the clip.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._done == len(self._sources) or self._error is not None, _PROGRESS_INTERVAL
            )
            if self._error is not None:
                raise self._error
            return self._done

    def _work(self) -> None:
        """Featurize clips until none is left."""
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
                self._done += 1
                if self._error is None:
                    self._error = error
                if error is not None or self._done == len(self._sources):
                    self._changed.notify()

    def _fill(self, index: int) -> None:
        source = self._sources[index]
        wave = _checked(source)
        rows = self._frames[self._offsets[index] : self._offsets[index + 1]]
        with plugin_call(self._featurizer, "fill"):
            _fill(self._featurizer, wave, self._sample_rate, rows)
        if not all(np.isfinite(block).all() for block in mapped.blocks(rows)):
            raise DataError(f"{source.name}: the featurizer returned frames that are NaN or infinite")
