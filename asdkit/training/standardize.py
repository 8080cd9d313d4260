"""Standardisation of bands, fitted on training clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdkit.features import Features, FloatArray, IntArray

_FLOOR = 1e-3  # of the mean deviation over bands: what a band that never changes is divided by


@dataclass(frozen=True)
class Standardizer:
    """Mean and scale of each band: a standardised frame is ``(frame - mean) * scale``.

    Attributes
    ----------
    mean
        [float32, ``[1 or ids, bands]``] Of all frames, or of each id's.
    scale
        [float32, ``[bands]``] One over the standard deviation from that mean.
    """

    mean: FloatArray
    scale: FloatArray

    def groups(self, classes: IntArray) -> IntArray:
        """Which mean windows of classes are taken about: that of their id, of which classes are variants."""
        return classes % len(self.mean)

    @classmethod
    def fit(cls, features: Features, clips: IntArray, ids: IntArray | None = None) -> Standardizer:
        """Mean and deviation over all frames of some clips; a band that hardly changes is not blown up.

        Parameters
        ----------
        features, clips
            The matrix, and which of its clips to learn from.
        ids
            [int64, ``[clips of the matrix]``] Number of each clip's id, for a mean of each; without it there is one.
        """
        groups = 1 if ids is None else int(ids.max()) + 1
        counts, means, squares = np.zeros(groups), np.zeros((groups, features.bands)), np.zeros(features.bands)
        for clip in clips:  # clip by clip (Chan et al. 1983): exact, and no copy of the matrix
            frames = features.clip(int(clip)).astype(np.float64)
            if not len(frames):
                continue
            group = 0 if ids is None else int(ids[clip])
            own = frames.mean(axis=0)
            counts[group] += len(frames)
            step, share = own - means[group], len(frames) / counts[group]
            squares += np.square(frames - own).sum(axis=0) + step**2 * len(frames) * (1 - share)
            means[group] += step * share
        means[counts == 0] = (counts @ means) / max(counts.sum(), 1)  # an id with no clip to learn from
        deviation = np.sqrt(squares / max(counts.sum(), 1))
        floor = _FLOOR * deviation.mean() or 1.0
        return cls(means.astype(np.float32), (1 / np.maximum(deviation, floor)).astype(np.float32))

    def apply(self, windows: FloatArray, classes: IntArray) -> None:
        """Standardise windows [float32, ``[batch, frames, bands]``] of classes [int64, ``[batch]``] in place."""
        windows -= self.mean[self.groups(classes), None]
        windows *= self.scale
