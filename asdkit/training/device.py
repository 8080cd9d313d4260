"""Batches on a GPU: the matrix is moved there once, and windows are gathered there by index."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch

from asdkit.features import FloatArray, IntArray
from asdkit.sampling import Draw
from asdkit.training.batches import Batch, Source, ahead, generator, one_hot, runs
from asdkit.training.standard import Standard


class Matrix:
    """A packed matrix and its standardisation on a device."""

    def __init__(self, frames: FloatArray, standard: Standard, length: int, device: torch.device) -> None:
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

    def __init__(self, source: Source, device: torch.device, threads: int) -> None:
        self.source, self.device, self.threads = source, device, threads
        self.matrix = Matrix(source.features.frames, source.standard, source.frames, device)
        self._pin = device.type == "cuda"

    def epoch(self, draw: Draw, seed: int, epoch: int) -> Iterator[Batch]:
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

    def _changed(self, draw: Draw, seed: int, epoch: int) -> Iterator[_Made | None]:
        """What transforms make of each batch, ahead of its use; None each time where nothing is to be changed."""
        if (draw.transforms < 0).all():
            # To find, in threads, that there is nothing to do costs the host 0.1 to 0.2 ms a batch.
            return repeat(None, draw.batches)

        def make(batch: int) -> _Made:
            return self._transform(draw, batch, generator(seed, epoch, batch))

        return ahead(make, draw.batches, self.threads)

    def _transform(self, draw: Draw, batch: int, rng: np.random.Generator) -> _Made:
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
