"""Standardisation of bands, fitted on training clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdkit.features import Features, FloatArray, IntArray

_FLOOR = 1e-3  # of the mean deviation over bands: what a band that never changes is divided by


@dataclass(frozen=True)
class Standard:
    """Mean and scale of each band: a standardised frame is ``(frame - mean) * scale``.

    Attributes
    ----------
    mean, scale
        [float32, ``[bands]``] Scale is one over the standard deviation.
    """

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, features: Features, clips: IntArray) -> Standard:
        """Mean and deviation over all frames of some clips; a band that hardly changes is not blown up."""
        count, mean, squares = 0, np.zeros(features.bands), np.zeros(features.bands)
        for clip in clips:  # clip by clip (Chan et al. 1983): exact, and no copy of the matrix
            frames = features.clip(int(clip)).astype(np.float64)
            if not len(frames):
                continue
            own = frames.mean(axis=0)
            count += len(frames)
            step = own - mean
            squares += np.square(frames - own).sum(axis=0) + step**2 * len(frames) * (count - len(frames)) / count
            mean += step * (len(frames) / count)
        deviation = np.sqrt(squares / max(count, 1))
        floor = _FLOOR * deviation.mean() or 1.0
        return cls(mean.astype(np.float32), (1 / np.maximum(deviation, floor)).astype(np.float32))

    def apply(self, windows: FloatArray) -> None:
        """Standardise [float32, ``[..., bands]``] in place."""
        windows -= self.mean
        windows *= self.scale
