"""Interfaces of plugins: the entry that registers one, what each kind implements, and what detectors are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pluggy

from asdkit.audio import Wave
from asdkit.config import AugmenterConfig, Config
from asdkit.context import Context, State
from asdkit.features import Features, FloatArray, IntArray, Windows

PROJECT = "asdkit"
API_VERSION = 1

hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Augmentation:
    """One augmenter of a detector's list, as training uses it.

    Attributes
    ----------
    name
        Its table in the spec.
    config
        Its options.
    augmenter
        The window augmenter, or None for a wave augmenter (its variants are clips of the features already).
    probability
        Chance that a drawn window is given to it; None: an equal share.
    """

    name: str
    config: AugmenterConfig
    augmenter: WindowAugmenter | None
    probability: float | None = None


@dataclass(frozen=True)
class Training:
    """All that a detector may learn from: normal clips, never a label.

    Attributes
    ----------
    features
        The real training clips, then, for each wave augmenter in turn and each of its variants, all of them again
        in the same order.
    windows
        Windows of all of these.
    ids
        Machine id of each clip of `features`, copies included.
    classes
        [int64, ``[clips]``] Class of each clip: an index into `class_names`.
    class_names
        The real ids, sorted; then for each augmenter's variant and each id ``"<id>~<augmenter>:<variant>"``.
    real
        How many clips are real: the first ones.
    augmentations
        The detector's augmenters, in the order of its list.
    """

    features: Features
    windows: Windows
    ids: Sequence[str]
    classes: IntArray
    class_names: tuple[str, ...]
    real: int
    augmentations: tuple[Augmentation, ...] = ()

    @property
    def real_ids(self) -> tuple[str, ...]:
        """The ids of the real clips, sorted: the first names of `class_names`."""
        return tuple(sorted(set(self.ids[: self.real])))


@dataclass(frozen=True)
class Entry:
    """One plugin: its name, options, and class.

    Attributes
    ----------
    name
        What ``use`` says in a spec: lower case, digits and hyphens.
    config
        Its options, a subclass of `Config`.
    target
        ``"package.module:Class"``, imported when first needed, or the class itself.
    summary
        One line for ``asdkit plugins``.
    defaults
        For detectors: defaults of the keys that the core reads, such as ``{"frames": 64, "hop": 8}``.
    api_version
        The `API_VERSION` it was written for; 1 where it does not say.
    """

    name: str
    config: type[Config]
    target: str | Callable[..., Any]
    summary: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    api_version: int = 1

    def load(self) -> Callable[..., Any]:
        """Import the class."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(module), name)
        return loaded


class Featurizer(Protocol):
    """Turns a wave into frames. Made as ``Class(config)``; has no state.

    May have a method ``frequencies(sample_rate)``: the middle of each band in Hz [float64, ``[bands]``], ascending.
    Drawings then have an axis in Hz; without it they number the bands.
    """

    bands: int
    """Numbers in a frame."""
    scale: Literal["db", "power"]
    """What the numbers are: decibels or power."""

    def rows(self, n_samples: int) -> int:
        """How many frames a wave of `n_samples` samples gives."""
        ...

    def fill(self, wave: Wave, sample_rate: int, out: FloatArray) -> None:
        """Write the frames of `wave` into `out`.

        May run in several threads at once, each with its own `out`; release the GIL where possible.

        Parameters
        ----------
        wave
            [float32 or int16, ``[samples]``] Mono; int16 means sample / 32768.
        sample_rate
            Samples a second.
        out
            [float32, ``[rows(len(wave)), bands]``, C-contiguous] Rows of the packed matrix.
        """
        ...


class WaveAugmenter(Protocol):
    """Makes fixed variants of each training clip's wave; each variant of an id is a new class. ``Class(config)``."""

    kind: Literal["wave"]

    def samples(self, n_samples: int, variant: int) -> int:
        """Length of the wave that `vary` makes of one of `n_samples` samples."""
        ...

    def vary(self, wave: Wave, sample_rate: int, variant: int) -> Wave:
        """Make variant number `variant` (an index into the config's ``variant_names``) of `wave`."""
        ...


class WindowAugmenter(Protocol):
    """Changes windows as they are drawn for training. Made as ``Class(config)``."""

    kind: Literal["window"]

    def transform(
        self, windows: FloatArray, targets: FloatArray, rng: np.random.Generator, variant: int
    ) -> tuple[FloatArray, FloatArray]:
        """Change a batch; all randomness comes from `rng`.

        Parameters
        ----------
        windows
            [float32, ``[batch, frames, bands]``] In decibels; may be changed in place.
        targets
            [float32, ``[batch, classes]``] One-hot at the window's id; real ids come first. For an augmenter with
            variants the core sets the targets afterwards.
        rng
            The only source of randomness.
        variant
            Which of the config's ``variant_names`` to make; 0 where there are none.

        Returns
        -------
        windows, targets
            Of the same shapes and dtypes.
        """
        ...


class Detector(Protocol):
    """Learns from normal windows and scores others. Made as ``Class(config)``, which only stores."""

    def fit(self, training: Training, ctx: Context) -> None:
        """Learn from training clips alone (all normal); forgets what an earlier ``fit`` learnt.

        Raises
        ------
        Stopped
            Soon after ``ctx.should_stop()`` says so.
        """
        ...

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows: higher is more anomalous.

        A score depends on the window, its clip's id and what was learnt; never on other clips.

        Parameters
        ----------
        features, windows
            Clips to score, and their windows.
        ids
            Machine id of each clip. One that was not in training gets the best (lowest) score over the known ids.

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
        """What was learnt: a flat dict of arrays, numbers (all finite, or no bundle takes it), texts, lists of texts.

        Raises
        ------
        NotFitted
            Before ``fit`` or ``load``.
        """
        ...

    def load(self, state: State) -> None:
        """Take back what `state` gave, perhaps in another process: scores are the same bit for bit."""
        ...


class Fuser(Protocol):
    """Combines the clip scores of several detectors. Made as ``Class(config)``.

    It may have ``fuse_some(scores, ids, members)``, which fuses the scores [float64, ``[clips, some]``] of some members
    alone, given by their places. A clip's score over time is then that of the members that cut it into windows; without
    it, the others take part with their score of the whole clip, and may hide what the rest hear.
    """

    def fit(self, train_scores: npt.NDArray[np.float64], ids: Sequence[str]) -> None:
        """Learn from training clips how each member's scores are distributed.

        Parameters
        ----------
        train_scores
            [float64, ``[clips, members]``] Clip scores of training clips.
        ids
            Machine id of each clip.
        """
        ...

    def fuse(self, scores: npt.NDArray[np.float64], ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Fuse [float64, ``[clips, members]``] into [float64, ``[clips]``]; each clip on its own."""
        ...

    def state(self) -> State:
        """What was learnt, as in `Detector.state`."""
        ...

    def load(self, state: State) -> None:
        """Take back what `state` gave."""
        ...
