"""Intervals: their definitions, and how often they contain the true value."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.metrics import (
    DCASE2022,
    Bootstrap,
    Interval,
    LabelledClip,
    auc,
    delong,
    difference,
    evaluate,
    pauc,
    percentile_interval,
    resample_auc,
)
from tests.helpers.binormal import MODELS, Binormal, coverage, coverage_of_means
from tests.helpers.properties import examples
from tests.metrics import naive


def labelled_scores(shift=1.0, seed=0, clips=40, ids=("00", "02")):
    """Return labelled clips of some ids with two domains, and scores."""
    rng = np.random.default_rng(seed)
    truth, scores = [], {}
    for id_ in ids:
        for i in range(2 * clips):
            clip = LabelledClip(f"{id_}_{i}", "fan", id_, i % 2, ("source", "target")[i // 2 % 2])
            truth.append(clip)
            scores[clip.name] = float(rng.normal() + shift * clip.label)
    return truth, scores


def test_delong_interval_follows_from_the_definition():
    # Theorem of DeLong et al. by sums over pairs, turned into Wilson's interval by its quadratic equation
    rng = np.random.default_rng(3)
    labels, scores = np.repeat([0, 1], (30, 20)), np.round(np.append(rng.normal(size=30), rng.normal(1, 1, 20)), 1)
    interval = delong(labels, scores)
    area, variance, freedom = naive.delong(scores[labels == 0], scores[labels == 1])
    from scipy.stats import t

    for end in (interval.low, interval.high):
        assert (end - area) ** 2 == pytest.approx(
            t.ppf(0.975, freedom) ** 2 * end * (1 - end) * variance / (area * (1 - area))
        )


def test_intervals_of_perfect_scores_have_a_width():
    labels = np.repeat([0, 1], 10)
    assert delong(labels, labels).high == 1.0
    assert 0.5 < delong(labels, labels).low < 0.9
    resamples = resample_auc(labels, labels, resamples=500)
    assert percentile_interval(resamples[:, 0], 1.0).high == 1.0
    assert 0.7 < percentile_interval(resamples[:, 0], 1.0).low < 1.0


def test_an_interval_needs_two_clips_of_each_class():
    with pytest.raises(ValueError, match="two clips of each class"):
        delong([0, 0, 1], [1.0, 2.0, 3.0])


@settings(deadline=None, max_examples=examples(60))
@given(st.data())
def test_resamples_equal_the_plain_definition(data):
    labels = data.draw(st.lists(st.integers(0, 1), min_size=2, max_size=25).filter(lambda x: 0 < sum(x) < len(x)))
    scores = [data.draw(st.integers(0, data.draw(st.sampled_from([2, 100])))) for _ in labels]
    seed = data.draw(st.integers(0, 5))
    resamples = resample_auc(labels, scores, resamples=3, seed=seed)
    np.testing.assert_allclose(resamples, naive.resample(labels, scores, 3, seed), rtol=1e-9, atol=1e-12)


def test_resamples_of_constant_scores_are_near_one_half():
    resamples = resample_auc(np.repeat([0, 1], 50), np.zeros(100), resamples=2000)
    np.testing.assert_allclose(resamples.mean(axis=0), 0.5, atol=0.01)
    assert resamples.std(axis=0).max() < 0.05


def test_resamples_depend_on_seed_not_on_number():
    labels, scores = Binormal(1.0).sample(np.random.default_rng(0), 30, 30)
    whole = resample_auc(labels, scores, resamples=600, seed=4)
    np.testing.assert_array_equal(whole[:256], resample_auc(labels, scores, resamples=256, seed=4))
    assert not np.array_equal(whole[:256], resample_auc(labels, scores, resamples=256, seed=5))


def test_order_of_clips_makes_no_difference():
    truth, scores = labelled_scores()
    rows = evaluate(truth, scores, name="A", kind="system", rule=DCASE2022)
    forward = Bootstrap(truth, scores, DCASE2022, resamples=300)
    backward = Bootstrap(truth[::-1], scores, DCASE2022, resamples=300)
    for row in rows:
        assert backward.intervals(row) == forward.intervals(row)


def test_intervals_contain_estimates_and_narrow_with_ids():
    few, many = labelled_scores(), labelled_scores(ids=[f"{i:02}" for i in range(12)])
    widths = []
    for truth, scores in (few, many):
        rows = evaluate(truth, scores, name="A", kind="system", rule=DCASE2022)
        boot = Bootstrap(truth, scores, DCASE2022, resamples=1000)
        for row in rows:
            area, part = boot.intervals(row)
            assert row.auc in area
            assert row.pauc in part
        *_, official = boot.mean_intervals(rows)
        widths.append(official.high - official.low)
    assert widths[1] == pytest.approx(widths[0] / np.sqrt(6), rel=0.25)


def test_paired_difference_is_narrow_and_finds_the_better():
    truth, scores = labelled_scores(shift=1.5, clips=100)
    weaker = {c.name: scores[c.name] - 0.5 * c.label for c in truth}
    pairs = []
    for values in (scores, weaker):
        rows = evaluate(truth, values, name="A", kind="system")
        pairs.append((Bootstrap(truth, values, resamples=1000), rows))
    gap = difference(*pairs)[0]
    alone = pairs[0][0].mean_intervals(pairs[0][1])[0]
    assert gap.low > 0
    assert gap.high - gap.low < (alone.high - alone.low) / 2
    same = difference(pairs[0], pairs[0])
    assert same == (Interval(0, 0),) * 3


def test_ten_thousand_resamples_take_half_a_second():
    labels, scores = Binormal(1.0).sample(np.random.default_rng(0), 500, 500)
    resample_auc(labels, scores, resamples=1)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        resample_auc(labels, scores, resamples=10_000)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.5


def test_scores_of_one_class_have_no_intervals_of_means():
    truth, scores = labelled_scores(clips=3)
    normal = [clip for clip in truth if clip.label == 0]
    evaluated = Bootstrap(normal, scores, resamples=10), evaluate(normal, scores, name="A", kind="system")
    assert evaluated[0].mean_intervals(evaluated[1]) is None
    assert difference(evaluated, evaluated) is None


SETS = 250  # 2,000 in nox -s coverage_of_intervals; three standard errors of 250 are 4.1 %


@pytest.mark.parametrize(("n_normal", "n_anomaly"), [(50, 50), (20, 200), (10, 10)])
def test_intervals_contain_the_truth_at_their_level(n_normal, n_anomaly):
    shares = coverage(MODELS[0], n_normal, n_anomaly, SETS)
    assert set(shares) == {"AUC DeLong", "AUC bootstrap", "pAUC bootstrap"}
    for kind, share in shares.items():
        assert 90.9 <= share <= 100, kind


def test_intervals_of_means_and_differences_contain_the_truth():
    for kind, share in coverage_of_means(2, 100, 100, 80).items():
        assert share >= 87, kind


def test_simulated_truth_agrees_with_large_samples():
    for model in MODELS:
        labels, scores = model.sample(np.random.default_rng(1), 100_000, 100_000)
        assert auc(labels, scores) == pytest.approx(model.auc, abs=0.004)
        assert pauc(labels, scores) == pytest.approx(model.pauc, abs=0.006)
