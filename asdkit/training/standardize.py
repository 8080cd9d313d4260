"""Standardisation of bands, fitted on training clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdkit.features import Features, FloatArray, IntArray

_LEAST_DEVIATION = 1e-3  # of the mean deviation over bands: the divisor of a band that is constant


@dataclass(frozen=True)
class Standardizer:
    """Mean and scale of each band: a standardised frame is ``(frame - mean) * scale``.

    With `less_level`, the window's level, the mean over its frames and bands, is subtracted first.

    Attributes
    ----------
    mean
        [float32, ``[1 or ids, bands]``] Mean over all frames, or over those of each id.
    scale
        [float32, ``[bands]``] One over the standard deviation from that mean.
    less_level
        Whether a window's level does not count.
    """

    mean: FloatArray
    scale: FloatArray
    less_level: bool = False

    def groups(self, classes: IntArray) -> IntArray:
        """Row of `mean` for each class [int64]: the id's, also for the variants of an id."""
        return classes % len(self.mean)

    @classmethod
    def fit(
        cls, features: Features, clips: IntArray, ids: IntArray | None = None, less_level: bool = False
    ) -> Standardizer:
        """Fit mean and deviation to all frames of some clips; a constant band gets a finite scale.

        Parameters
        ----------
        features, clips
            The packed matrix, and the indices of the clips to fit to.
        ids
            [int64, ``[clips of the matrix]``] Number of each clip's id, for a mean of each id; None for one mean.
        less_level
            Whether windows are to be standardised without their level; here each frame is taken without its own.
        """
        groups = 1 if ids is None else int(ids.max()) + 1
        counts, means, squares = np.zeros(groups), np.zeros((groups, features.bands)), np.zeros(features.bands)
        for clip in clips:  # clip by clip (Chan et al. 1983): exact, and no copy of the matrix
            frames = features.clip(int(clip)).astype(np.float64)
            if not len(frames):
                continue
            if less_level:
                frames -= frames.mean(axis=1, keepdims=True)
            group = 0 if ids is None else int(ids[clip])
            clip_mean = frames.mean(axis=0)
            counts[group] += len(frames)
            step, share = clip_mean - means[group], len(frames) / counts[group]
            squares += np.square(frames - clip_mean).sum(axis=0) + step**2 * len(frames) * (1 - share)
            means[group] += step * share
        means[counts == 0] = (counts @ means) / max(counts.sum(), 1)  # ids without a clip to fit to
        deviation = np.sqrt(squares / max(counts.sum(), 1))
        least = _LEAST_DEVIATION * deviation.mean() or 1.0
        scale = 1 / np.maximum(deviation, least)
        return cls(means.astype(np.float32), scale.astype(np.float32), less_level)

    def apply(self, windows: FloatArray, classes: IntArray) -> None:
        """Standardise windows [float32, ``[batch, frames, bands]``] of classes [int64, ``[batch]``] in place."""
        if self.less_level:
            windows -= windows.mean(axis=(1, 2), keepdims=True)
        windows -= self.mean[self.groups(classes), None]
        windows *= self.scale
