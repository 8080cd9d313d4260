"""Blends of two ids."""

from __future__ import annotations

from typing import Literal

import numpy as np

from asdkit.api import FloatArray, IntArray
from asdkit_augment.config import MixConfig


class Mix:
    """Augmenter ``mix``: each window is blended with one of another id, targets in the same proportions."""

    kind: Literal["window"] = "window"

    def __init__(self, config: MixConfig) -> None:
        self.config = config

    def transform(
        self, windows: FloatArray, targets: FloatArray, rng: np.random.Generator, variant: int
    ) -> tuple[FloatArray, FloatArray]:
        """Blend a batch within itself; see `asdkit.api.WindowAugmenter`."""
        partner = partners(targets.argmax(axis=1), rng)
        share = rng.beta(self.config.alpha, self.config.alpha, len(windows)).astype(np.float32)
        if self.config.domain == "power":
            windows = np.power(np.float32(10), windows * np.float32(0.1))
        blended = blend(windows, windows[partner], share)
        if self.config.domain == "power":
            # The least normal number stands in for no power at all.
            np.log10(np.maximum(blended, np.finfo(np.float32).tiny), out=blended)
            blended *= 10
        return blended, blend(targets, targets[partner], share)


def blend(one: FloatArray, other: FloatArray, share: FloatArray) -> FloatArray:
    """``share * one + (1 - share) * other``, a share for each row."""
    share = share.reshape(-1, *[1] * (one.ndim - 1))
    return share * one + (1 - share) * other


def partners(classes: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw for each item one of another class, or itself where all are of one class [int64, ``[items]``]."""
    order = np.argsort(classes, kind="stable")
    ordered = classes[order]
    first, last = np.searchsorted(ordered, classes, "left"), np.searchsorted(ordered, classes, "right")
    others = len(classes) - (last - first)
    # In order of class an item's own class is one block; the others follow it, around the end.
    drawn = order[(last + (rng.random(len(classes)) * others).astype(np.int64)) % max(1, len(classes))]
    return np.where(others > 0, drawn, np.arange(len(classes)))
