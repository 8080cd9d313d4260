"""Batches of an epoch: windows gathered, augmented and standardised ahead of the step that uses them.

On the CPU, batches are gathered in main memory. On a GPU, the packed matrix is moved there once and windows are
gathered there by index; only windows that an augmenter changes are computed in main memory and moved.
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
from asdkit.plugin_calls import plugin_call
from asdkit.training.sampling import EpochSample, WindowTransform
from asdkit.training.standardize import Standardizer

_AHEAD = 4  # batches computed before they are requested

Item = TypeVar("Item")


class Batch(NamedTuple):
    """A batch: windows [float32, ``[batch, frames, bands]``] and targets [float32, ``[batch, classes]``].

    Requesting the next batch may overwrite both.
    """

    windows: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class WindowSource:
    """The packed matrix, the number of frames of a window and of classes, the standardizer, and the transforms."""

    features: Features
    frames: int
    classes: int
    standardizer: Standardizer
    transforms: list[WindowTransform]

    def gather_plain(self, rows: slice, sample: EpochSample, windows: FloatArray) -> None:
        """Gather and standardise the windows `rows` of a sample, in one pass where the level is kept."""
        mean, scale = self.standardizer.mean, self.standardizer.scale
        groups = self.standardizer.groups(sample.classes[rows])
        if self.standardizer.less_level:
            gather(self.features.frames, sample.starts[rows], self.frames, windows)
            self.standardizer.apply(windows, sample.classes[rows])
            return
        gather(self.features.frames, sample.starts[rows], self.frames, windows, mean, scale, groups)

    def gather_augmented(
        self, rows: slice, sample: EpochSample, rng: np.random.Generator, windows: FloatArray, targets: FloatArray
    ) -> None:
        """Gather, augment and standardise the windows `rows` of a sample; all have the same transform."""
        transform = self.transforms[sample.transforms[rows.start]]
        gather(self.features.frames, sample.starts[rows], self.frames, windows)
        if self.features.scale == "power":
            np.log10(np.maximum(windows, 1e-10, out=windows), out=windows)
            windows *= 10
        with plugin_call(transform.augmenter, "transform"):
            new_windows, new_targets = transform.augmenter.transform(windows, targets, rng, transform.variant)
        windows[...] = new_windows
        targets[...] = new_targets
        if transform.class_shift:
            one_hot(sample.classes[rows] + transform.class_shift, targets)
        if self.features.scale == "power":
            np.power(10, windows * 0.1, out=windows)
        self.standardizer.apply(windows, sample.classes[rows])


class HostBatches:
    """Batches in main memory, for a network on the CPU."""

    def __init__(self, source: WindowSource, batch_size: int, threads: int) -> None:
        self.source = source
        self.threads = threads
        shape = (_AHEAD + 1, batch_size, source.frames, source.features.bands)
        self._windows = np.empty(shape, np.float32)
        self._targets = np.empty((*shape[:2], source.classes), np.float32)

    def epoch(self, sample: EpochSample, seed: int, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, in order."""

        def compute(batch: int) -> Batch:
            size = min(sample.batch_size, len(sample.starts) - batch * sample.batch_size)
            windows, targets = (array[batch % (_AHEAD + 1)][:size] for array in (self._windows, self._targets))
            self._fill(sample, batch, seeded_rng(seed, epoch, batch), windows, targets)
            return Batch(torch.from_numpy(windows), torch.from_numpy(targets))

        yield from prefetched(compute, sample.batches, self.threads)

    def _fill(
        self, sample: EpochSample, batch: int, rng: np.random.Generator, windows: FloatArray, targets: FloatArray
    ) -> None:
        first = batch * sample.batch_size
        one_hot(sample.classes[first : first + len(windows)], targets)
        for rows in slices_by_transform(sample, batch):
            within = slice(rows.start - first, rows.stop - first)
            if sample.transforms[rows.start] < 0:
                self.source.gather_plain(rows, sample, windows[within])
            else:
                self.source.gather_augmented(rows, sample, rng, windows[within], targets[within])


class DeviceMatrix:
    """A packed matrix and its standardisation on a device."""

    def __init__(self, frames: FloatArray, standardizer: Standardizer, length: int, device: torch.device) -> None:
        self._frames = torch.from_numpy(np.require(frames, requirements="W")).to(device)
        self._mean = torch.from_numpy(standardizer.mean).to(device)
        self._scale = torch.from_numpy(standardizer.scale).to(device)
        self._less_level = standardizer.less_level
        self._steps = torch.arange(length, device=device)

    def gather(self, starts: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        """Standardised windows [float32, ``[batch, frames, bands]``] that begin at rows `starts`, of these groups."""
        windows = self._frames[starts[:, None] + self._steps]
        if self._less_level:
            windows = windows - windows.mean((1, 2), keepdim=True)
        return (windows - self._mean[groups, None]) * self._scale


class _AugmentedPart(NamedTuple):
    """The augmented windows of a batch, computed in main memory, and the position of the first one in the batch."""

    first: int
    windows: torch.Tensor
    targets: torch.Tensor


class DeviceBatches:
    """Batches on a device, for a network there."""

    def __init__(self, source: WindowSource, device: torch.device, threads: int) -> None:
        self.source, self.device, self.threads = source, device, threads
        self.matrix = DeviceMatrix(source.features.frames, source.standardizer, source.frames, device)
        self._pin = device.type == "cuda"

    def epoch(self, sample: EpochSample, seed: int, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, in order; the host never waits for the device."""
        starts, groups = self._moved(sample.starts), self._moved(self.source.standardizer.groups(sample.classes))
        classes = torch.nn.functional.one_hot(self._moved(sample.classes), self.source.classes).float()
        for batch, augmented in enumerate(self._augmented_parts(sample, seed, epoch)):
            first = batch * sample.batch_size
            plain = slice(first, first + (sample.batch_size if augmented is None else augmented.first))
            windows, targets = self.matrix.gather(starts[plain], groups[plain]), classes[plain]
            if augmented is not None and len(augmented.windows):
                windows = torch.cat([windows, augmented.windows.to(self.device, non_blocking=True)])
                targets = torch.cat([targets, augmented.targets.to(self.device, non_blocking=True)])
            yield Batch(windows, targets)

    def _augmented_parts(self, sample: EpochSample, seed: int, epoch: int) -> Iterator[_AugmentedPart | None]:
        """Yield the augmented windows of each batch; None for each batch where the epoch has none."""
        if (sample.transforms < 0).all():
            # Threads that find nothing to do would cost the host 0.1 to 0.2 ms a batch.
            return repeat(None, sample.batches)

        def compute(batch: int) -> _AugmentedPart:
            return self._augment(sample, batch, seeded_rng(seed, epoch, batch))

        return prefetched(compute, sample.batches, self.threads)

    def _augment(self, sample: EpochSample, batch: int, rng: np.random.Generator) -> _AugmentedPart:
        """Compute the augmented windows of a batch; they are the last ones of it."""
        slices = slices_by_transform(sample, batch)
        batch_first, end = slices[0].start, slices[-1].stop
        slices = [rows for rows in slices if sample.transforms[rows.start] >= 0]
        first = slices[0].start if slices else end
        shape = (end - first, self.source.frames, self.source.features.bands)
        # New pinned memory each time: torch keeps such blocks until the copies that read them are done.
        windows = torch.empty(shape, pin_memory=self._pin)
        targets = torch.empty((end - first, self.source.classes), pin_memory=self._pin)
        one_hot(sample.classes[first:end], targets.numpy())
        for rows in slices:
            within = slice(rows.start - first, rows.stop - first)
            self.source.gather_augmented(rows, sample, rng, windows[within].numpy(), targets[within].numpy())
        return _AugmentedPart(first - batch_first, windows, targets)

    def _moved(self, array: IntArray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)


def batches_on(
    device: torch.device, source: WindowSource, batch_size: int, threads: int
) -> HostBatches | DeviceBatches:
    """Batches of at most `batch_size` windows on the network's device."""
    if device.type == "cpu":
        return HostBatches(source, batch_size, threads)
    return DeviceBatches(source, device, threads)


def one_hot(classes: IntArray, out: FloatArray) -> None:
    """Write one-hot rows [float32, ``[batch, classes]``]."""
    out[...] = 0
    out[np.arange(len(classes)), classes] = 1


def slices_by_transform(sample: EpochSample, batch: int) -> list[slice]:
    """Split a batch into slices of the sample with one transform each; windows without a transform come first."""
    first, last = batch * sample.batch_size, min((batch + 1) * sample.batch_size, len(sample.starts))
    edges = first + 1 + np.flatnonzero(np.diff(sample.transforms[first:last]))
    bounds = [first, *edges.tolist(), last]
    return [slice(a, b) for a, b in pairwise(bounds)]


def seeded_rng(seed: int, *numbers: int) -> np.random.Generator:
    """Return the generator of an epoch or a batch, by its numbers: independent of the number of threads."""
    return np.random.default_rng([seed, *numbers])


def prefetched(compute: Callable[[int], Item], count: int, threads: int) -> Iterator[Item]:
    """Yield items 0 to `count`, computed in advance by threads where there are several."""
    if threads < 2:
        yield from map(compute, range(count))
        return
    with ThreadPoolExecutor(min(_AHEAD, threads - 1), thread_name_prefix="batches") as pool:
        waiting = deque(pool.submit(compute, index) for index in range(min(_AHEAD, count)))
        for index in range(count):
            # The item before this one has been used, so its buffer is free for the item submitted here.
            if index + _AHEAD < count:
                waiting.append(pool.submit(compute, index + _AHEAD))
            yield waiting.popleft().result()
