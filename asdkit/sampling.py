"""What a detector learns from, and the drawing of its windows for an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdkit.features import Features, IntArray, Windows

if TYPE_CHECKING:
    from asdkit.api import AugmenterConfig, WindowAugmenter


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
