"""The detector ``isolation-forest``."""

import numpy as np
from sklearn.ensemble import IsolationForest

from asdkit.api import BaseDetector, load_estimator, store_estimator

BATCH = 1000  # windows that are stacked at once; whole clips come one by one


class IsolationForestDetector(BaseDetector):
    """See `asdkit_isolation_forest.IsolationForestConfig`."""

    def learn(self, training, ctx):
        real = training.windows.offsets[training.real]  # what augmenters add comes after the real clips
        rows = statistics(training.features, training.windows, ctx)[:real]
        forest = IsolationForest(n_estimators=self.config.trees, random_state=ctx.seed_for("forest") % 2**32)
        return store_estimator(forest.fit(rows), "forest")

    def restore(self, state):
        self.forest = load_estimator(state, "forest")

    def score_windows(self, features, windows, ids, ctx):
        return -self.forest.score_samples(statistics(features, windows, ctx))


def statistics(features, windows, ctx):
    """Return mean and deviation of each band over each window [``[windows, 2 * bands]``]."""
    rows = []
    for _, batch in windows.batches(features, BATCH):
        ctx.raise_if_stopped()
        rows.append(np.hstack([batch.mean(axis=1), batch.std(axis=1)]))
    return np.concatenate(rows)
