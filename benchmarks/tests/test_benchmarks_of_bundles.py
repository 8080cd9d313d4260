"""Short versions of ``nox -s false_alarms`` and ``nox -s score_speed``."""

from __future__ import annotations

import numpy as np

from asdkit.plugins import discover
from benchmarks import false_alarms


def test_the_law_of_alarms_is_that_of_simulated_models():
    rng = np.random.default_rng(0)
    held, tested, models = 19, 20, 4
    totals = []
    for _ in range(4000):
        total = 0
        for _ in range(models):
            reference, new = rng.random(held), rng.random(tested)
            p_values = (1 + (reference[:, None] >= new).sum(axis=0)) / (held + 1)
            total += int((p_values <= 0.1).sum())
        totals.append(total)
    assert abs(false_alarms.most_by_chance(0.1, held, tested, models) - np.quantile(totals, 0.975)) <= 1


def test_false_alarms_on_fresh_healthy_clips_are_as_few_as_asked(tmp_path):
    """One seed: two ids, 39 clips held out, 30 tested; so 5 % is supported and 1 % is not."""
    counts = false_alarms.alarms_of(tmp_path, 0, discover(), learnt=12, held=39, tested=30)
    for system in false_alarms.SYSTEMS:
        for rate in (0.1, 0.05):
            assert counts[system, rate, "undecided"] == 0
            assert counts[system, rate, "alarm"] <= false_alarms.most_by_chance(rate, 39, 30, 2, quantile=0.999)
        assert counts[system, 0.01, "alarm"] == 0
