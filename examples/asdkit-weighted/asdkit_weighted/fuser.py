"""The fuser ``weighted``."""

import numpy as np

from asdkit.api import AsdkitError, NotFitted


class Weighted:
    """Weighted mean of z-scores, each about the mean of the member's scores of all training clips."""

    def __init__(self, config):
        self.config, self.fitted = config, None

    def fit(self, train_scores, ids):
        members, weights = train_scores.shape[1], self.config.weights or [1.0] * train_scores.shape[1]
        if len(weights) != members:
            raise AsdkitError(
                f"weighted: {len(weights)} weights for {members} members", hint="Give each member of the system one."
            )
        deviation = train_scores.std(axis=0)
        self.fitted = {
            "mean": train_scores.mean(axis=0),
            "deviation": np.where(deviation > 0, deviation, 1.0),
            "weights": np.array(weights),
        }

    def fuse(self, scores, ids):
        return self.fuse_subset(scores, ids, range(scores.shape[1]))

    def fuse_subset(self, scores, ids, members):
        mean, deviation, weights = (self.state()[name][members] for name in ("mean", "deviation", "weights"))
        return (scores - mean) / deviation @ (weights / weights.sum())

    def state(self):
        if self.fitted is None:
            raise NotFitted("weighted must be fitted or loaded first")
        return self.fitted

    def load(self, state):
        self.fitted = dict(state)
