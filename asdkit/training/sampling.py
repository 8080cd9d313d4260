"""What a detector learns from, and the drawing of its windows for an epoch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asdkit.errors import AsdkitWarning
from asdkit.features import IntArray
from asdkit.interfaces import Training

if TYPE_CHECKING:
    from asdkit.interfaces import WindowAugmenter


@dataclass(frozen=True)
class WindowTransform:
    """A window augmenter with one of its variants, and the class that its windows get.

    Attributes
    ----------
    augmenter, variant
        What makes the windows.
    class_shift
        What to add to a real id's class to get the variant's; 0 where the augmenter adds no class.
    """

    augmenter: WindowAugmenter
    variant: int
    class_shift: int


@dataclass(frozen=True)
class EpochSample:
    """Windows of an epoch, in the order of training.

    Attributes
    ----------
    starts
        [int64, ``[windows]``] First row of each.
    classes
        [int64, ``[windows]``] Class of each before any window augmenter.
    transforms
        [int64, ``[windows]``] Which of the sampler's transforms makes it, or -1 for none. Ascending within each
        batch of `batch_size`, so that a transform's windows lie together.
    batch_size
        Windows of a batch; the last one may hold fewer.
    """

    starts: IntArray
    classes: IntArray
    transforms: IntArray
    batch_size: int

    @property
    def batches(self) -> int:
        """Number of batches."""
        return -(-len(self.starts) // self.batch_size)

    @classmethod
    def plain(cls, starts: IntArray, classes: IntArray, batch_size: int) -> EpochSample:
        """Windows in the order given, without transforms."""
        return cls(starts, classes, np.full(len(starts), -1, np.int64), batch_size)


class Sampler:
    """Draws the windows of each epoch from some of the real training clips.

    Parameters
    ----------
    training
        What to draw from.
    clips
        [int64, ``[drawn from]``] Real clips to draw from; copies that wave augmenters made go with their clip.

    Raises
    ------
    ValueError
        If the probabilities of the augmenters add up to more than 1.
    """

    def __init__(self, training: Training, clips: IntArray) -> None:
        self.training = training
        self.transforms: list[WindowTransform] = []
        self._entries: list[tuple[IntArray, IntArray]] = []  # of each augmenter: its transforms, its groups of copies
        self._clips = clips
        counts = np.diff(training.windows.offsets)[clips]
        self._offsets = np.concatenate([[0], np.cumsum(counts)])  # windows that may be drawn, clip by clip
        self._chances = self._read_augmentations()

    def windows(self, windows_per_clip: int) -> int:
        """How many windows one drawing gives."""
        return int(np.minimum(np.diff(self._offsets), windows_per_clip).sum())

    def _read_augmentations(self) -> npt.NDArray[np.float64]:
        """Fill transforms and entries; return the chance of each entry, that of none last."""
        ids = len(self.training.real_ids)
        variants, copies, chances = 0, 0, []
        for item in self.training.augmentations:
            count = len(item.config.variant_names)
            if item.config.soft_targets and ids < 2:
                message = f"augmenter {item.name!r} blends two ids, but the training clips have one: it does nothing"
                warnings.warn(message, AsdkitWarning, stacklevel=4)
                continue
            made, copied = np.empty(0, np.int64), np.empty(0, np.int64)
            if item.augmenter is None:
                copied, copies = copies + np.arange(1, count + 1), copies + count
            else:
                made = len(self.transforms) + np.arange(max(1, count))
                self.transforms += [
                    WindowTransform(item.augmenter, variant, ids * (1 + variants + variant) if count else 0)
                    for variant in range(max(1, count))
                ]
            self._entries.append((made, copied))
            chances.append(item.probability)
            variants += count
        return _shares(chances)

    def draw(self, windows_per_clip: int, batch_size: int, least_batches: int, rng: np.random.Generator) -> EpochSample:
        """Draw an epoch's windows.

        Parameters
        ----------
        windows_per_clip
            How many windows of a clip to draw without replacement; all of them where it has fewer.
        batch_size
            Windows of a batch. What is left over after the last full batch is not used.
        least_batches
            The drawing is repeated until there are windows for so many batches.
        rng
            The only source of randomness.
        """
        from asdkit.kernels import draw  # compiled code: not needed to list plugins

        chosen = [draw(self._offsets, rng, windows_per_clip)]
        while len(chosen) * len(chosen[0]) < least_batches * batch_size:
            chosen.append(draw(self._offsets, rng, windows_per_clip))
        windows = rng.permutation(np.concatenate(chosen))
        if len(windows) >= batch_size:
            windows = windows[: len(windows) // batch_size * batch_size]
        starts, classes, transforms = self._augment(windows, rng)
        if not self.transforms:
            return EpochSample(starts, classes, transforms, batch_size)  # in order already
        batch = np.arange(len(windows)) // batch_size
        order = np.lexsort((transforms, batch))
        return EpochSample(starts[order], classes[order], transforms[order], batch_size)

    def _augment(self, windows: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
        """Choose an augmenter, or none, for each window: its start, class and transform."""
        cut, training = self.training.windows, self.training
        place = np.searchsorted(self._offsets, windows, side="right") - 1
        clips, within = self._clips[place], windows - self._offsets[place]
        starts = cut.starts[cut.offsets[clips] + within]
        transforms = np.full(len(windows), -1, np.int64)
        entry = rng.choice(len(self._chances), size=len(windows), p=self._chances)
        for index, (made, copied) in enumerate(self._entries):
            chosen = np.flatnonzero(entry == index)
            if len(made):
                transforms[chosen] = rng.choice(made, size=len(chosen))
                continue
            original = clips[chosen]
            copy = original + training.real * rng.choice(copied, size=len(chosen))
            there = np.diff(cut.offsets)[copy]
            chosen, original, copy, there = (a[there > 0] for a in (chosen, original, copy, there))
            # The window at the same relative place of the copy, which may be longer or shorter.
            relative = (within[chosen] + 0.5) / np.diff(cut.offsets)[original]
            starts[chosen] = cut.starts[cut.offsets[copy] + (relative * there).astype(np.int64)]
            clips[chosen] = copy
        return starts, training.classes[clips], transforms


def _shares(chances: Sequence[float | None]) -> npt.NDArray[np.float64]:
    """Chance of each entry, and of none last: those not stated share equally, with none, what the stated leave."""
    stated = sum(chance for chance in chances if chance is not None)
    if stated > 1 + 1e-9:
        raise ValueError(f"the probabilities of the augmenters add up to {stated:g}, more than 1")
    rest = max(0.0, 1 - stated) / (1 + sum(chance is None for chance in chances))
    shares: npt.NDArray[np.float64] = np.array([rest if chance is None else chance for chance in chances] + [rest])
    shares /= shares.sum()
    return shares


def hold_out(training: Training, fraction: float, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Part the real clips that have a window into those to learn from and those to watch the learning with.

    Whole clips, never windows of one clip on both sides; of each id with several clips the same fraction, rounded,
    and at least one clip to learn from. Copies that wave augmenters made go with their clip.

    Returns
    -------
    learn, watch
        [int64] Indices of clips, ascending.
    """
    counts = np.diff(training.windows.offsets)[: training.real]
    usable = np.flatnonzero(counts > 0)
    watch: list[IntArray] = []
    for cls in np.unique(training.classes[usable]) if fraction else []:
        of_class = rng.permutation(usable[training.classes[usable] == cls])
        watch.append(of_class[: min(round(fraction * len(of_class)), len(of_class) - 1)])
    held = np.sort(np.concatenate(watch)) if watch else np.empty(0, np.int64)
    return np.setdiff1d(usable, held), held
