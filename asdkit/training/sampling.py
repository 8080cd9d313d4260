"""Split training clips into training and validation clips, and sample the windows of an epoch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.errors import AsdkitWarning
from asdkit.features import IntArray
from asdkit.interfaces import Augmentation, Training, WindowAugmenter


@dataclass(frozen=True)
class WindowTransform:
    """A window augmenter with one of its variants, and the class of the windows that it gives.

    Attributes
    ----------
    augmenter, variant
        The augmenter, and the index of its variant.
    class_shift
        Offset from a real id's class to the variant's class; 0 where the augmenter adds no class.
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
        [int64, ``[windows]``] Index of the transform in `Sampler.transforms`, or -1 for none. Ascending within each
        batch, so that the windows of one transform are contiguous.
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


@dataclass(frozen=True)
class _Choice:
    """What one augmenter offers for a window: transforms of windows, or copies of clips made from varied waves.

    Attributes
    ----------
    transforms
        [int64] Indices into `Sampler.transforms`; empty for a wave augmenter.
    copies
        [int64] Numbers of the groups of copied clips (1: the first copies); empty for a window augmenter.
    """

    transforms: IntArray
    copies: IntArray


class Sampler:
    """Samples the windows of each epoch from some of the real training clips.

    Parameters
    ----------
    training
        All training clips.
    clips
        [int64, ``[sampled clips]``] Real clips to sample from. Their copies made by wave augmenters are included.

    Raises
    ------
    ValueError
        If the probabilities of the augmenters add up to more than 1.
    """

    def __init__(self, training: Training, clips: IntArray) -> None:
        self.training = training
        self.transforms: list[WindowTransform] = []
        self._choices: list[_Choice] = []
        self._clips = clips
        counts = np.diff(training.windows.offsets)[clips]
        self._offsets = np.concatenate([[0], np.cumsum(counts)])  # of the clips in the list of all their windows
        self._probabilities = self._read_augmentations()

    def windows(self, windows_per_clip: int) -> int:
        """Count the windows of one pass over the clips."""
        return int(np.minimum(np.diff(self._offsets), windows_per_clip).sum())

    def sample(
        self, windows_per_clip: int, batch_size: int, least_batches: int, rng: np.random.Generator
    ) -> EpochSample:
        """Sample the windows of an epoch.

        Parameters
        ----------
        windows_per_clip
            Number of windows of a clip, sampled without replacement; all of them where it has fewer.
        batch_size
            Windows of a batch. An incomplete last batch is dropped.
        least_batches
            Passes over the clips are added until there are windows for this many batches.
        rng
            The only source of randomness.
        """
        from asdkit.kernels import draw  # compiled code: not needed to list plugins

        passes = [draw(self._offsets, rng, windows_per_clip)]
        while len(passes) * len(passes[0]) < least_batches * batch_size:
            passes.append(draw(self._offsets, rng, windows_per_clip))
        windows = rng.permutation(np.concatenate(passes))
        if len(windows) >= batch_size:
            windows = windows[: len(windows) // batch_size * batch_size]
        starts, classes, transforms = self._augment(windows, rng)
        if not self.transforms:
            return EpochSample(starts, classes, transforms, batch_size)  # sorted by transform already
        batch = np.arange(len(windows)) // batch_size
        order = np.lexsort((transforms, batch))
        return EpochSample(starts[order], classes[order], transforms[order], batch_size)

    def _read_augmentations(self) -> npt.NDArray[np.float64]:
        """Fill `transforms` and `_choices`; return the probability of each choice, that of no augmenter last."""
        ids = len(self.training.real_ids)
        variants, copy_groups, probabilities = 0, 0, []
        for item in self.training.augmentations:
            if item.config.soft_targets and ids < 2:
                message = f"augmenter {item.name!r} blends two ids, but the training clips have one: it does nothing"
                warnings.warn(message, AsdkitWarning, stacklevel=4)
                continue
            count = len(item.config.variant_names)
            if item.augmenter is None:
                self._choices.append(_Choice(_no_clips(), copy_groups + np.arange(1, count + 1)))
                copy_groups += count
            else:
                self._choices.append(_Choice(self._add_transforms(item, item.augmenter, ids, variants), _no_clips()))
            probabilities.append(item.probability)
            variants += count
        return _with_shares(probabilities)

    def _add_transforms(self, item: Augmentation, augmenter: WindowAugmenter, ids: int, variants: int) -> IntArray:
        """Add the transforms of a window augmenter, after `variants` variants of earlier ones; return their indices."""
        count = len(item.config.variant_names)
        first = len(self.transforms)
        self.transforms += [
            WindowTransform(augmenter, variant, ids * (1 + variants + variant) if count else 0)
            for variant in range(max(1, count))
        ]
        return first + np.arange(max(1, count))

    def _augment(self, windows: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
        """Choose an augmenter, or none, for each window; return the windows' starts, classes and transforms."""
        all_windows, training = self.training.windows, self.training
        position = np.searchsorted(self._offsets, windows, side="right") - 1
        clips, within = self._clips[position], windows - self._offsets[position]
        starts = all_windows.starts[all_windows.offsets[clips] + within]
        transforms = np.full(len(windows), -1, np.int64)
        choices = rng.choice(len(self._probabilities), size=len(windows), p=self._probabilities)
        for index, choice in enumerate(self._choices):
            chosen = np.flatnonzero(choices == index)
            if len(choice.transforms):
                transforms[chosen] = rng.choice(choice.transforms, size=len(chosen))
                continue
            original = clips[chosen]
            copy = original + training.real * rng.choice(choice.copies, size=len(chosen))
            copy_windows = np.diff(all_windows.offsets)[copy]
            chosen, original, copy, copy_windows = (
                array[copy_windows > 0] for array in (chosen, original, copy, copy_windows)
            )
            # The window at the same relative position of the copy, which may be longer or shorter.
            relative = (within[chosen] + 0.5) / np.diff(all_windows.offsets)[original]
            starts[chosen] = all_windows.starts[all_windows.offsets[copy] + (relative * copy_windows).astype(np.int64)]
            clips[chosen] = copy
        return starts, training.classes[clips], transforms


def split_validation(training: Training, fraction: float, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Split into training and validation clips; only real clips that have a window are used.

    Whole clips are held out, never single windows. Each id with several clips gives the same fraction, rounded, and
    keeps at least one training clip. Copies made by wave augmenters follow their clip.

    Returns
    -------
    train_clips, validation_clips
        [int64] Indices of clips, ascending.
    """
    counts = np.diff(training.windows.offsets)[: training.real]
    usable = np.flatnonzero(counts > 0)
    held_out: list[IntArray] = []
    for class_ in np.unique(training.classes[usable]) if fraction else []:
        shuffled = rng.permutation(usable[training.classes[usable] == class_])
        held_out.append(shuffled[: min(round(fraction * len(shuffled)), len(shuffled) - 1)])
    validation_clips = np.sort(np.concatenate(held_out)) if held_out else _no_clips()
    return np.setdiff1d(usable, validation_clips), validation_clips


def _with_shares(stated: Sequence[float | None]) -> npt.NDArray[np.float64]:
    """Return the probability of each choice, then that of using no augmenter.

    Choices without a stated probability, and using no augmenter, share the remaining probability equally.
    """
    total = sum(probability for probability in stated if probability is not None)
    if total > 1 + 1e-9:
        raise ValueError(f"the probabilities of the augmenters add up to {total:g}, more than 1")
    share = max(0.0, 1 - total) / (1 + sum(probability is None for probability in stated))
    probabilities: npt.NDArray[np.float64] = np.array(
        [share if probability is None else probability for probability in stated] + [share]
    )
    probabilities /= probabilities.sum()
    return probabilities


def _no_clips() -> IntArray:
    return np.empty(0, np.int64)
