"""Batches of an epoch: gathered, augmented, standardised, ahead of the step that uses them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from asdkit.features import Features, FloatArray, IntArray
from asdkit.kernels import gather
from asdkit.sampling import Draw, Transform
from asdkit.training.standard import Standard

_AHEAD = 4  # batches made before they are asked for

Made = TypeVar("Made")


class Batch(NamedTuple):
    """A batch: windows [float32, ``[batch, frames, bands]``] and targets [float32, ``[batch, classes]``].

    Both live in buffers that are used again once the next batch is asked for.
    """

    windows: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Source:
    """Where batches come from: the packed matrix, the shape of a window, the number of classes, what changes them."""

    features: Features
    frames: int
    classes: int
    standard: Standard
    transforms: list[Transform]

    def augmented(
        self, rows: slice, draw: Draw, rng: np.random.Generator, windows: FloatArray, targets: FloatArray
    ) -> None:
        """Gather the windows `rows` of a draw, all of one transform, change them, and standardise them."""
        transform = self.transforms[draw.transforms[rows.start]]
        gather(self.features.frames, draw.starts[rows], self.frames, windows)
        if self.features.scale == "power":
            np.log10(np.maximum(windows, 1e-10, out=windows), out=windows)
            windows *= 10
        made, blended = transform.augmenter.transform(windows, targets, rng, transform.variant)
        windows[...] = made
        targets[...] = blended
        if transform.class_shift:
            one_hot(draw.classes[rows] + transform.class_shift, targets)
        if self.features.scale == "power":
            np.power(10, windows * 0.1, out=windows)
        self.standard.apply(windows, draw.classes[rows])

    def plain(self, rows: slice, draw: Draw, windows: FloatArray) -> None:
        """Gather and standardise, in one pass, windows that no transform changes."""
        mean, scale, groups = self.standard.mean, self.standard.scale, self.standard.groups(draw.classes[rows])
        gather(self.features.frames, draw.starts[rows], self.frames, windows, mean, scale, groups)


def one_hot(classes: IntArray, out: FloatArray) -> None:
    """Write one-hot rows [float32, ``[batch, classes]``]."""
    out[...] = 0
    out[np.arange(len(classes)), classes] = 1


def runs(draw: Draw, batch: int) -> list[slice]:
    """Parts of a batch of one transform each, those without one first; slices of the draw."""
    first, last = batch * draw.batch_size, min((batch + 1) * draw.batch_size, len(draw.starts))
    edges = first + 1 + np.flatnonzero(np.diff(draw.transforms[first:last]))
    bounds = [first, *edges.tolist(), last]
    return [slice(a, b) for a, b in pairwise(bounds)]


def generator(seed: int, *place: int) -> np.random.Generator:
    """Return the generator of one place, such as an epoch and a batch: the same however many threads there are."""
    return np.random.default_rng([seed, *place])


class HostBatches:
    """Batches in main memory, for a network on the CPU."""

    def __init__(self, source: Source, batch_size: int, threads: int) -> None:
        self.source = source
        self.threads = threads
        shape = (_AHEAD + 1, batch_size, source.frames, source.features.bands)
        self._windows = np.empty(shape, np.float32)
        self._targets = np.empty((*shape[:2], source.classes), np.float32)

    def epoch(self, draw: Draw, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, in order."""

        def make(batch: int) -> Batch:
            size = min(draw.batch_size, len(draw.starts) - batch * draw.batch_size)
            windows, targets = (a[batch % (_AHEAD + 1)][:size] for a in (self._windows, self._targets))
            self._fill(draw, batch, generator(seed, epoch, batch), windows, targets)
            return Batch(torch.from_numpy(windows), torch.from_numpy(targets))

        yield from ahead(make, draw.batches, self.threads)

    def _fill(self, draw: Draw, batch: int, rng: np.random.Generator, windows: FloatArray, targets: FloatArray) -> None:
        base = batch * draw.batch_size
        one_hot(draw.classes[base : base + len(windows)], targets)
        for rows in runs(draw, batch):
            here = slice(rows.start - base, rows.stop - base)
            if draw.transforms[rows.start] < 0:
                self.source.plain(rows, draw, windows[here])
            else:
                self.source.augmented(rows, draw, rng, windows[here], targets[here])


def ahead(make: Callable[[int], Made], count: int, threads: int) -> Iterator[Made]:
    """Make items 0 to `count`, in threads ahead of their use where there are threads for it."""
    if threads < 2:
        yield from map(make, range(count))
        return
    with ThreadPoolExecutor(min(_AHEAD, threads - 1), thread_name_prefix="batches") as pool:
        waiting = deque(pool.submit(make, index) for index in range(min(_AHEAD, count)))
        for index in range(count):
            # The item before this one has been used, so the buffer of the one after next is free.
            if index + _AHEAD < count:
                waiting.append(pool.submit(make, index + _AHEAD))
            yield waiting.popleft().result()
