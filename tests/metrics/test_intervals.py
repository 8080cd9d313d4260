"""Intervals: what is known of them exactly, and how often they hold the truth."""

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
from benchmarks.coverage import MODELS, Binormal, cover, cover_means, jackknife
from tests.metrics import naive


def room(shift=1.0, seed=0, clips=40, ids=("00", "02")):
    """Truth and scores of some ids with two domains."""
    rng = np.random.default_rng(seed)
    truth, scores = [], {}
    for id_ in ids:
        for i in range(2 * clips):
            clip = LabelledClip(f"{id_}_{i}", "fan", id_, i % 2, ("source", "target")[i // 2 % 2])
            truth.append(clip)
            scores[clip.name] = float(rng.normal() + shift * clip.label)
    return truth, scores


def test_delongs_variance_is_that_of_the_definition():
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


def test_intervals_of_perfect_scores_end_at_one_and_still_have_a_width():
    labels = np.repeat([0, 1], 10)
    assert delong(labels, labels).high == 1.0
    assert 0.5 < delong(labels, labels).low < 0.9
    draws = resample_auc(labels, labels, resamples=500)
    assert percentile_interval(draws[:, 0], 1.0).high == 1.0
    assert 0.7 < percentile_interval(draws[:, 0], 1.0).low < 1.0


def test_an_interval_needs_two_clips_of_each_class():
    with pytest.raises(ValueError, match="two clips of each class"):
        delong([0, 0, 1], [1.0, 2.0, 3.0])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_kernel_does_what_the_definition_says(data):
    labels = data.draw(st.lists(st.integers(0, 1), min_size=2, max_size=25).filter(lambda x: 0 < sum(x) < len(x)))
    scores = [data.draw(st.integers(0, data.draw(st.sampled_from([2, 100])))) for _ in labels]
    seed = data.draw(st.integers(0, 5))
    found = resample_auc(labels, scores, resamples=3, seed=seed)
    np.testing.assert_allclose(found, naive.resample(labels, scores, 3, seed), rtol=1e-9, atol=1e-12)


def test_constant_scores_are_worth_one_half_give_or_take_what_the_next_clip_may_do():
    draws = resample_auc(np.repeat([0, 1], 50), np.zeros(100), resamples=2000)
    np.testing.assert_allclose(draws.mean(axis=0), 0.5, atol=0.01)
    assert draws.std(axis=0).max() < 0.05


def test_resamples_follow_from_the_seed_alone_and_not_from_their_number():
    labels, scores = Binormal(1.0).draw(np.random.default_rng(0), 30, 30)
    whole = resample_auc(labels, scores, resamples=600, seed=4)
    np.testing.assert_array_equal(whole[:256], resample_auc(labels, scores, resamples=256, seed=4))
    assert not np.array_equal(whole[:256], resample_auc(labels, scores, resamples=256, seed=5))


def test_the_order_of_the_clips_makes_no_difference():
    truth, scores = room()
    rows = evaluate(truth, scores, name="A", kind="system", rule=DCASE2022)
    mixed = Bootstrap(truth[::-1], scores, DCASE2022, resamples=300)
    for row in rows:
        assert mixed.intervals(row) == Bootstrap(truth, scores, DCASE2022, resamples=300).intervals(row)


def test_intervals_hold_their_estimates_and_narrow_with_more_ids():
    few, many = room(), room(ids=[f"{i:02}" for i in range(12)])
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


def test_a_paired_difference_is_narrower_than_its_parts_and_names_the_better_system():
    truth, scores = room(shift=1.5, clips=100)
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


def test_ten_thousand_resamples_of_a_thousand_clips_take_under_half_a_second():
    labels, scores = Binormal(1.0).draw(np.random.default_rng(0), 500, 500)
    resample_auc(labels, scores, resamples=1)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        resample_auc(labels, scores, resamples=10_000)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.5


SETS = 250  # 2,000 in nox -s coverage_of_intervals; three standard errors of 250 are 4.1 %


@pytest.mark.parametrize(("n_normal", "n_anomaly"), [(50, 50), (20, 200), (10, 10)])
def test_intervals_hold_the_truth_as_often_as_they_say(n_normal, n_anomaly):
    shares = cover(MODELS[0], n_normal, n_anomaly, SETS, others=False)
    assert set(shares) == {"AUC DeLong", "AUC bootstrap", "pAUC bootstrap"}
    for kind, share in shares.items():
        assert 90.9 <= share <= 100, kind


def test_intervals_of_means_and_of_differences_hold_the_truth():
    for kind, share in cover_means(2, 100, 100, 80).items():
        assert share >= 87, kind


def test_the_organisers_jackknife_fails_the_same_test():
    rng = np.random.default_rng(0)
    model = MODELS[0]
    sets = [model.draw(rng, 50, 50) for _ in range(100)]
    held = [low <= model.auc <= high for low, high in (jackknife(*one) for one in sets)]
    assert np.mean(held) < 0.2
    labels, scores = sets[0]
    low, high = jackknife(labels, scores)
    honest = delong(labels, scores)
    assert (honest.high - honest.low) / (high - low) > 50  # a factor of N - 1 = 99 in the standard error


def test_published_definitions_of_the_simulated_truth_agree_with_large_samples():
    for model in MODELS:
        labels, scores = model.draw(np.random.default_rng(1), 100_000, 100_000)
        assert auc(labels, scores) == pytest.approx(model.auc, abs=0.004)
        assert pauc(labels, scores) == pytest.approx(model.pauc, abs=0.006)
