"""Interfaces of plugins: `Entry` registers one; the protocols say what a class of each kind implements.

Detectors get their training clips as a `Training`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from asdkit.audio import Wave
from asdkit.commands import hookimpl
from asdkit.config import AugmenterConfig, Scale
from asdkit.context import Context, State
from asdkit.entry import Entry
from asdkit.features import Features, FloatArray, IntArray, Windows
from asdkit.version import API_VERSION

__all__ = [
    "API_VERSION",
    "Augmentation",
    "Detector",
    "Entry",
    "Featurizer",
    "Fuser",
    "Training",
    "WaveAugmenter",
    "WindowAugmenter",
    "hookimpl",
]


class Featurizer(Protocol):
    """Compute frames from a wave. Constructed as ``Class(config)``; one with a state is a `FittedFeaturizer`.

    Optional method ``frequencies(sample_rate)``: the centre of each band in Hz [float64, ``[bands]``], ascending.
    Plots then have an axis in Hz; without the method they number the bands.

    Optional attributes ``hop`` and ``reach`` (samples, int): frame `t` depends on samples from ``t * hop - reach`` to
    ``t * hop + reach`` alone, in the same way for all `t`, and on how `fill` pads a wave at its ends. Long waves are
    then given to `fill` in overlapping parts that begin at multiples of ``hop``, so that the memory for a recording
    does not grow with its length. Without them, a recording of more than 2^28 samples is not scored.
    """

    bands: int
    """Number of values in a frame."""
    scale: Scale
    """What the values are: decibels (``"db"``), powers, or anything else (``"linear"``), such as an embedding, samples
    or cepstra. Detectors and augmenters say which they accept (``scales`` of their options)."""

    def rows(self, n_samples: int) -> int:
        """Return the number of frames of a wave of `n_samples` samples."""
        ...

    def fill(self, wave: Wave, sample_rate: int, out: FloatArray) -> None:
        """Write the frames of `wave` into `out`.

        Several threads may call this at once, each with its own `out`; release the GIL where possible.

        Parameters
        ----------
        wave
            [float32 or int16, ``[samples]``] Mono; int16 means sample / 32768.
        sample_rate
            Sample rate [Hz].
        out
            [float32, ``[rows(len(wave)), bands]``, C-contiguous] Rows of the packed matrix.
        """
        ...


class FittedFeaturizer(Featurizer, Protocol):
    """A featurizer with a state, such as a mean, principal components or a codebook, from the training clips alone.

    Before ``fit`` or ``load``, ``rows``, ``bands``, ``scale`` and the optional members work; ``fill`` raises
    `NotFitted`. One is fitted for each job: to the real training clips of the machine, without clips held out, test
    clips and variants by augmenters. Its state is stored beside those of the detectors, and in bundles.
    """

    def fit(self, waves: Collection[Wave], sample_rate: int, ctx: Context) -> None:
        """Fit to the waves of the training clips; discard the result of an earlier ``fit``.

        Parameters
        ----------
        waves
            One after the other in memory; they may be iterated several times.
        sample_rate
            Sample rate [Hz].
        ctx
            The only source of randomness. It stores no checkpoint: a job that is resumed fits again.
        """
        ...

    def state(self) -> State:
        """Return the fitted state, as `Detector.state` does."""
        ...

    def load(self, state: State) -> None:
        """Restore what `state` returned, perhaps in another process: frames are the same bit for bit."""
        ...


class WaveAugmenter(Protocol):
    """Make fixed variants of each training clip's wave. Constructed as ``Class(config)``.

    Each variant of an id is a class of its own.
    """

    kind: Literal["wave"]

    def samples(self, n_samples: int, variant: int) -> int:
        """Return the length of the wave that `vary` returns for one of `n_samples` samples."""
        ...

    def vary(self, wave: Wave, sample_rate: int, variant: int) -> Wave:
        """Return variant number `variant` of `wave`, an index into the config's ``variant_names``."""
        ...


class WindowAugmenter(Protocol):
    """Change windows as they are sampled for training. Constructed as ``Class(config)``."""

    kind: Literal["window"]

    def transform(
        self, windows: FloatArray, targets: FloatArray, rng: np.random.Generator, variant: int
    ) -> tuple[FloatArray, FloatArray]:
        """Change a batch of windows; all randomness comes from `rng`.

        Parameters
        ----------
        windows
            [float32, ``[batch, frames, bands]``] In decibels, or linear numbers if ``scales`` of its options has those;
            may be changed in place.
        targets
            [float32, ``[batch, classes]``] One-hot at the window's id; real ids come first. For an augmenter with
            variants the core sets the targets afterwards.
        rng
            The only source of randomness.
        variant
            Index into the config's ``variant_names``; 0 if it has none.

        Returns
        -------
        windows, targets
            Of the same shapes and dtypes.
        """
        ...


class Detector(Protocol):
    """Fit on normal windows and score others. Constructed as ``Class(config)``, which only stores the config.

    Optional method ``why_no_weight(features, windows, ids, ctx)``, with the arguments of `score`: why the scores of the
    fitted detector mean nothing on this machine, as one sentence of plain words; ``""`` if they may mean something. A
    run calls it once after ``fit`` with the training clips held out: normal, never fitted to, no labels. Systems then
    fuse without the detector on this machine. Without the method, or without clips held out, it has its weight.

    Optional method ``recentred_state(features, windows, ids, ctx)``, with the arguments of `score`: the state of the
    fitted detector with the means of these healthy clips instead of those of the training clips of the same ids, and
    all else as it was. ``asdkit adapt --recentre`` loads it.
    """

    def fit(self, training: Training, ctx: Context) -> None:
        """Fit on training clips, all of them normal; discard the result of an earlier ``fit``.

        Raises
        ------
        Stopped
            Soon after ``ctx.should_stop()`` returns True.
        """
        ...

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows: higher is more anomalous.

        A score depends only on the window, the id of its clip and the fitted state, never on other clips.

        Parameters
        ----------
        features, windows
            Clips to score, and their windows. ``features.condition(i)`` has the domain and the attributes of a clip,
            where they are known: a new recording may have neither.
        ids
            Machine id of each clip. Only ids that were in training occur: a clip of any other id is scored by asdkit
            once under each of these, and gets the lowest score.

        Returns
        -------
        scores
            [float32, ``[windows]``] Finite.

        Raises
        ------
        NotFitted
            Before ``fit`` or ``load``.
        """
        ...

    def state(self) -> State:
        """Return the fitted state: a flat dict of arrays, numbers, strings and lists of strings.

        Numbers are finite; a bundle with others is refused.

        Raises
        ------
        NotFitted
            Before ``fit`` or ``load``.
        """
        ...

    def load(self, state: State) -> None:
        """Restore what `state` returned, perhaps in another process: scores are the same bit for bit."""
        ...


class Fuser(Protocol):
    """Combine the clip scores of several detectors. Constructed as ``Class(config)``.

    Optional method ``fuse_subset(scores, ids, members)``: fuse the scores [float64, ``[clips, len(members)]``] of some
    members, given by their indices. A clip's score over time then uses only the members that cut it into windows.
    Without the method, it also uses the members that score whole clips; their constant scores may hide the changes over
    time.
    """

    def fit(self, train_scores: npt.NDArray[np.float64], ids: Sequence[str]) -> None:
        """Estimate the distribution of each member's scores from training clips.

        Parameters
        ----------
        train_scores
            [float64, ``[clips, members]``] Clip scores of training clips.
        ids
            Machine id of each clip.
        """
        ...

    def fuse(self, scores: npt.NDArray[np.float64], ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Fuse [float64, ``[clips, members]``] into [float64, ``[clips]``], each clip independently of the others."""
        ...

    def state(self) -> State:
        """Return the fitted state, as `Detector.state` does."""
        ...

    def load(self, state: State) -> None:
        """Restore what `state` returned."""
        ...


@dataclass(frozen=True)
class Augmentation:
    """One augmenter of a detector, as training uses it.

    Attributes
    ----------
    name
        Name of its table in the spec.
    config
        Its options.
    augmenter
        The window augmenter; None for a wave augmenter, whose variants are already clips of the features.
    probability
        Probability that a sampled window is passed to it; None: an equal share.
    """

    name: str
    config: AugmenterConfig
    augmenter: WindowAugmenter | None
    probability: float | None = None


@dataclass(frozen=True)
class Training:
    """Training data of a detector: normal clips, without labels.

    Attributes
    ----------
    features
        The real training clips; then, for each variant of each wave augmenter, copies of all of them in the same
        order.
    windows
        Windows of all these clips.
    ids
        Machine id of each clip of `features`, copies included.
    classes
        [int64, ``[clips]``] Class of each clip: an index into `class_names`.
    class_names
        The real ids, sorted; then ``"<id>~<augmenter>:<variant>"`` for each variant of each augmenter and each id.
    real
        Number of real clips; they come first.
    augmentations
        The detector's augmenters, in the order of the spec.
    """

    features: Features
    windows: Windows
    ids: Sequence[str]
    classes: IntArray
    class_names: tuple[str, ...]
    real: int
    augmentations: tuple[Augmentation, ...] = ()

    @property
    def domains(self) -> tuple[str | None, ...]:
        """Domain of each clip, ``"source"`` or ``"target"``, copies included; None where it is not known."""
        return tuple(self.features.condition(clip).domain for clip in range(self.features.clips))

    @property
    def attributes(self) -> tuple[Mapping[str, str], ...]:
        """Attributes of each clip, such as ``{"speed": "6"}``, copies included; empty where none is known."""
        return tuple(self.features.condition(clip).attributes for clip in range(self.features.clips))

    @property
    def real_ids(self) -> tuple[str, ...]:
        """Ids of the real clips, sorted: the first names of `class_names`."""
        return tuple(sorted(set(self.ids[: self.real])))
