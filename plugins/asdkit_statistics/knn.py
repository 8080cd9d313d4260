"""Nearest neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, State
from asdkit_statistics.config import KnnConfig
from asdkit_statistics.detector import Blocks, StatisticsDetector, array, pooled_logs, split
from asdkit_statistics.neighbours import nearest
from asdkit_statistics.normalisation import local_scale, neighbours_needed, normalised

_AT_ONCE = 4_000_000  # distances normalised at a time


class Knn(StatisticsDetector):
    """Detector ``knn``: mean distance to the nearest training windows.

    Each statistic has nearest windows of its own; `pooled_logs` of their distances is the score. With `normalise`,
    those are nearest whose distance is smallest after local score normalisation (`asdkit_statistics.normalisation`).
    """

    config: KnnConfig
    scoring_options = (*StatisticsDetector.scoring_options, "metric", "side", "normalise")

    def fit_model(self, blocks: Blocks, seed: int) -> State:
        """Keep the summaries, and the scale around each ``[statistics, windows]`` if distances are normalised."""
        model: State = {"neighbours": np.concatenate(blocks, axis=1)}
        if self.config.normalise != "none":
            model["local"] = np.array([self._local_scale(block) for block in blocks], np.float32)
        return model

    def score_blocks(self, blocks: Blocks, model: State) -> npt.NDArray[np.floating]:
        """Pool the mean distances to the nearest neighbours."""
        known = split(array(model, "neighbours"), array(model, "widths"))
        metric, side, normalise = self.config.metric, self.config.side, self.config.normalise
        squares = self._usual_squares(model)
        if normalise == "none":
            count = min(self.config.neighbours, len(known[0]))
            pairs = zip(known, blocks, strict=True)
            return pooled_logs([nearest(own, new, count, metric, side)[0].mean(axis=1) for own, new in pairs], squares)
        triples = zip(known, blocks, array(model, "local"), strict=True)
        distances = [self._normalised(own, new, scale) for own, new, scale in triples]
        ratio = normalise in ("ldn-ratio", "ced")  # of a usual 1
        return pooled_logs(distances, [1.0] * len(squares) if ratio else squares)

    @property
    def centred(self) -> bool:
        """Angles are seen from the origin: about the mean, healthy summaries lie in all directions."""
        return self.config.metric == "euclidean"

    def _usual_squares(self, model: State) -> list[float]:
        """Squared distance in each statistic that counts as usual.

        In standard units that is the number of numbers n. Across the mean summary o, a Euclidean distance d is a cosine
        distance of about ``d**2 / (4 |o|**2)``; 1/2 is a right angle.
        """
        sizes = array(model, "widths")
        if self.config.metric == "euclidean":
            return [float(size) for size in sizes]
        mean = array(model, "standard.means").mean(axis=0) * array(model, "standard.scale")
        lengths = [float(np.square(part, dtype=np.float64).sum()) for part in split(mean[None], sizes)]
        return [min(0.5, size / (4 * max(length, 1e-12))) ** 2 for size, length in zip(sizes, lengths, strict=True)]

    def _local_scale(self, block: FloatArray) -> npt.NDArray[np.floating]:
        """Scale around each training window of one statistic."""
        config = self.config
        count = min(neighbours_needed(config.normalise, config.local_neighbours), len(block) - 1)
        if not count:
            return np.ones(1)  # the only training window: a constant
        distances, indices = nearest(block, block, count + 1, config.metric, config.side)
        itself = indices == np.arange(len(block))[:, None]
        itself[~itself.any(axis=1), -1] = True  # more others are as near as it is: one of them is left out
        distances, indices = (found[~itself].reshape(len(block), count) for found in (distances, indices))
        return local_scale(distances, indices[:, 0], config.normalise, config.local_decay)

    def _normalised(
        self, known: FloatArray, new: FloatArray, scale: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.floating]:
        """Mean of the smallest normalised distances of each new window [``[windows]``]."""
        config = self.config
        count = min(config.neighbours, len(known))
        means = np.empty(len(new))
        at_once = max(1, _AT_ONCE // len(known))
        for first in range(0, len(new), at_once):
            rows = slice(first, first + at_once)
            distances, indices = nearest(known, new[rows], len(known), config.metric, config.side)
            smallest = np.sort(normalised(distances, scale[indices], config.normalise), axis=1)[:, :count]
            means[rows] = smallest.mean(axis=1)
        return means
