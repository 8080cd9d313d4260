"""The simulation of interval coverage notices intervals that fail."""

import numpy as np

from asdkit.metrics import delong
from benchmarks.coverage import failing_intervals, jackknife
from tests.helpers.binormal import MODELS, coverage


def test_the_organisers_jackknife_is_too_narrow():
    rng = np.random.default_rng(0)
    model = MODELS[0]
    sets = [model.sample(rng, 50, 50) for _ in range(100)]
    contains = [low <= model.auc <= high for low, high in (jackknife(*one) for one in sets)]
    assert np.mean(contains) < 0.2
    labels, scores = sets[0]
    low, high = jackknife(labels, scores)
    interval = delong(labels, scores)
    assert (interval.high - interval.low) / (high - low) > 50  # a factor of N - 1 = 99 in the standard error


def test_the_table_has_a_share_of_each_kind():
    shares = coverage(MODELS[0], 10, 10, 3, failing_intervals)
    assert {"AUC DeLong", "AUC jackknife (organisers)", "pAUC DeLong", "pAUC ordinary bootstrap"} < set(shares)
