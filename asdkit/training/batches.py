"""Batches of an epoch: gathered, augmented, standardised, ahead of the step that uses them.

Batches on a GPU: the matrix is moved there once, and windows are gathered there by index.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from asdkit.features import Features, FloatArray, IntArray
from asdkit.kernels import gather
from asdkit.training.sampling import EpochSample, WindowTransform
from asdkit.training.standardize import Standardizer

_AHEAD = 4  # batches made before they are asked for

Made = TypeVar("Made")


class Batch(NamedTuple):
    """A batch: windows [float32, ``[batch, frames, bands]``] and targets [float32, ``[batch, classes]``].

    Both live in buffers that are used again once the next batch is asked for.
    """

    windows: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class WindowSource:
    """Where batches come from: the packed matrix, the shape of a window, the number of classes, what changes them."""

    features: Features
    frames: int
    classes: int
    standard: Standardizer
    transforms: list[WindowTransform]

    def augmented(
        self, rows: slice, draw: EpochSample, rng: np.random.Generator, windows: FloatArray, targets: FloatArray
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

    def plain(self, rows: slice, draw: EpochSample, windows: FloatArray) -> None:
        """Gather and standardise, in one pass, windows that no transform changes."""
        mean, scale, groups = self.standard.mean, self.standard.scale, self.standard.groups(draw.classes[rows])
        gather(self.features.frames, draw.starts[rows], self.frames, windows, mean, scale, groups)


def one_hot(classes: IntArray, out: FloatArray) -> None:
    """Write one-hot rows [float32, ``[batch, classes]``]."""
    out[...] = 0
    out[np.arange(len(classes)), classes] = 1


def runs(draw: EpochSample, batch: int) -> list[slice]:
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

    def __init__(self, source: WindowSource, batch_size: int, threads: int) -> None:
        self.source = source
        self.threads = threads
        shape = (_AHEAD + 1, batch_size, source.frames, source.features.bands)
        self._windows = np.empty(shape, np.float32)
        self._targets = np.empty((*shape[:2], source.classes), np.float32)

    def epoch(self, draw: EpochSample, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, in order."""

        def make(batch: int) -> Batch:
            size = min(draw.batch_size, len(draw.starts) - batch * draw.batch_size)
            windows, targets = (a[batch % (_AHEAD + 1)][:size] for a in (self._windows, self._targets))
            self._fill(draw, batch, generator(seed, epoch, batch), windows, targets)
            return Batch(torch.from_numpy(windows), torch.from_numpy(targets))

        yield from ahead(make, draw.batches, self.threads)

    def _fill(
        self, draw: EpochSample, batch: int, rng: np.random.Generator, windows: FloatArray, targets: FloatArray
    ) -> None:
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


class Matrix:
    """A packed matrix and its standardisation on a device."""

    def __init__(self, frames: FloatArray, standard: Standardizer, length: int, device: torch.device) -> None:
        self._frames = torch.from_numpy(np.require(frames, requirements="W")).to(device)
        self._mean = torch.from_numpy(standard.mean).to(device)
        self._scale = torch.from_numpy(standard.scale).to(device)
        self._steps = torch.arange(length, device=device)

    def gather(self, starts: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        """Windows [float32, ``[batch, frames, bands]``] that begin at rows `starts`, about the means of `groups`."""
        return (self._frames[starts[:, None] + self._steps] - self._mean[groups, None]) * self._scale


class _Made(NamedTuple):
    """Windows that transforms made in main memory, and where in the batch they begin."""

    first: int
    windows: torch.Tensor
    targets: torch.Tensor


class DeviceBatches:
    """Batches on a device. Only windows that an augmenter changes are made in main memory and moved."""

    def __init__(self, source: WindowSource, device: torch.device, threads: int) -> None:
        self.source, self.device, self.threads = source, device, threads
        self.matrix = Matrix(source.features.frames, source.standard, source.frames, device)
        self._pin = device.type == "cuda"

    def epoch(self, draw: EpochSample, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, in order; the host never waits for the device."""
        starts, groups = self._moved(draw.starts), self._moved(self.source.standard.groups(draw.classes))
        classes = torch.nn.functional.one_hot(self._moved(draw.classes), self.source.classes).float()
        for batch, made in enumerate(self._changed(draw, seed, epoch)):
            first = batch * draw.batch_size
            plain = slice(first, first + (draw.batch_size if made is None else made.first))
            windows, targets = self.matrix.gather(starts[plain], groups[plain]), classes[plain]
            if made is not None and len(made.windows):
                windows = torch.cat([windows, made.windows.to(self.device, non_blocking=True)])
                targets = torch.cat([targets, made.targets.to(self.device, non_blocking=True)])
            yield Batch(windows, targets)

    def _changed(self, draw: EpochSample, seed: int, epoch: int) -> Iterator[_Made | None]:
        """What transforms make of each batch, ahead of its use; None each time where nothing is to be changed."""
        if (draw.transforms < 0).all():
            # To find, in threads, that there is nothing to do costs the host 0.1 to 0.2 ms a batch.
            return repeat(None, draw.batches)

        def make(batch: int) -> _Made:
            return self._transform(draw, batch, generator(seed, epoch, batch))

        return ahead(make, draw.batches, self.threads)

    def _transform(self, draw: EpochSample, batch: int, rng: np.random.Generator) -> _Made:
        """Make a batch's windows that transforms change; they come last in a batch."""
        parts = runs(draw, batch)
        base, end = parts[0].start, parts[-1].stop
        parts = [rows for rows in parts if draw.transforms[rows.start] >= 0]
        first = parts[0].start if parts else end
        shape = (end - first, self.source.frames, self.source.features.bands)
        # Fresh pinned memory: torch keeps such blocks until the copies that read them are done.
        windows = torch.empty(shape, pin_memory=self._pin)
        targets = torch.empty((end - first, self.source.classes), pin_memory=self._pin)
        one_hot(draw.classes[first:end], targets.numpy())
        for rows in parts:
            here = slice(rows.start - first, rows.stop - first)
            self.source.augmented(rows, draw, rng, windows[here].numpy(), targets[here].numpy())
        return _Made(first - base, windows, targets)

    def _moved(self, array: IntArray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)
