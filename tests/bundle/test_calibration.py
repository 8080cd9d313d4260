"""P-values and thresholds: exact where healthy clips support them, ordered beyond, and never more than promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from asdkit.bundle.calibration import NOTHING_HELD_OUT, CalibrationScores, Calibrator, ThresholdRule

floats = st.floats(-1e6, 1e6, allow_nan=False)
references = st.lists(floats, min_size=1, max_size=60).map(lambda values: CalibrationScores(np.sort(np.array(values))))


@given(references, floats)
def test_within_the_reference_a_p_value_is_the_conformal_one(reference, score):
    conformal = (1 + np.sum(reference.scores >= score)) / (len(reference.scores) + 1)
    if score <= reference.scores[-1]:
        assert reference.p_value(score) == pytest.approx(conformal, rel=1e-12)
    else:
        assert 0 < reference.p_value(score) <= conformal


@given(references, floats, floats)
def test_a_worse_clip_never_has_a_larger_p_value(reference, one, other):
    low, high = sorted((one, other))
    assert reference.p_value(high) <= reference.p_value(low)


@given(references, floats, st.floats(0.001, 0.999))
def test_the_tail_changes_no_decision_at_a_supported_rate(reference, score, rate):
    if rate < reference.supported_rate:
        return
    conformal = (1 + np.sum(reference.scores >= score)) / (len(reference.scores) + 1)
    decision = Calibrator({"00": reference}, ThresholdRule(rate)).decide(score, "00")
    assert decision.anomalous is bool(conformal <= rate * (1 + 1e-12))
    assert decision.reason == ""


def test_beyond_the_reference_worse_clips_have_smaller_p_values_down_to_the_least_number():
    reference = CalibrationScores(np.sort(np.random.default_rng(0).normal(size=30)))
    beyond = reference.scores[-1] + np.array([1e-3, 0.1, 1, 3, 10])
    assert (np.diff([reference.p_value(x) for x in beyond]) < 0).all()
    assert reference.p_value(1e9) > 0


def test_at_one_spread_beyond_the_reference_the_p_value_is_half_of_what_is_supported():
    reference = CalibrationScores(np.sort(np.random.default_rng(1).exponential(2.0, size=4000)))
    assert reference.p_value(reference.scores[-1] + reference.spread) == pytest.approx(reference.supported_rate / 2)


def test_twelve_clips_support_no_rate_below_one_in_thirteen_and_the_tool_says_so():
    judge = Calibrator({"00": CalibrationScores(np.arange(12.0))}, ThresholdRule(0.05))
    words = "12 held-out clips of id 00 support no rate below 1 in 13 (7.7 %); 5 % was asked"
    assert judge.shortfall("00") == words
    above = judge.decide(20.0, "00")
    assert (above.anomalous, above.reason) == (None, words)
    assert judge.decide(11.0, "00").anomalous is False  # as healthy as the worst healthy clip
    assert Calibrator(judge.scores, ThresholdRule(1 / 13)).decide(20.0, "00").anomalous is True


def test_ninety_nine_clips_support_one_per_cent_and_ninety_eight_do_not():
    for n, supported in ((99, True), (98, False)):
        judge = Calibrator({"00": CalibrationScores(np.arange(float(n)))}, ThresholdRule(0.01))
        assert judge.supports("00") is supported
        assert judge.decide(1e3, "00").anomalous is (True if supported else None)


def test_without_clips_held_out_nothing_is_decided_and_the_tool_says_what_to_do():
    decision = Calibrator({}, ThresholdRule()).decide(1.0, "00")
    assert (decision.p_value, decision.anomalous, decision.reason) == (None, None, NOTHING_HELD_OUT)


def test_the_gamma_threshold_is_the_quantile_of_the_fitted_distribution():
    scores = np.sort(stats.gamma.rvs(4.0, 10.0, 2.0, size=500, random_state=3))
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(scores))
    judge = Calibrator({"00": CalibrationScores(scores)}, ThresholdRule(0.1, "gamma"))
    assert judge.decide(expected + 1e-6, "00").anomalous is True
    assert judge.decide(expected - 1e-6, "00").anomalous is False
    assert expected == pytest.approx(stats.gamma.ppf(0.9, 4.0, 10.0, 2.0), rel=0.03)


def test_a_gamma_fitted_to_equal_scores_decides_nothing():
    judge = Calibrator({"00": CalibrationScores(np.ones(20))}, ThresholdRule(0.1, "gamma"))
    decision = judge.decide(5.0, "00")
    assert decision.anomalous is None
    assert "too few or too alike" in decision.reason


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_equal_references_call_the_same_score_normal_and_any_higher_one_anomalous(n):
    judge = Calibrator({"00": CalibrationScores(np.full(20, float(n)))}, ThresholdRule(0.05))
    assert judge.decide(float(n), "00").anomalous is False
    assert judge.decide(n + 1.0, "00").anomalous is True


def test_healthy_clips_are_called_anomalous_as_often_as_asked():
    """Conformal validity, simulated: 2,000 references of 39 clips, 20 new clips each; a deviation of some 0.1 %."""
    rng = np.random.default_rng(5)
    for rate in (0.1, 0.05):
        alarms = 0
        for _ in range(2000):
            judge = Calibrator({"00": CalibrationScores(np.sort(rng.lognormal(size=39)))}, ThresholdRule(rate))
            alarms += sum(bool(judge.decide(x, "00").anomalous) for x in rng.lognormal(size=20))
        assert alarms / 40_000 == pytest.approx(rate, abs=0.006)


@pytest.mark.parametrize("scores", [[13.0, 13.1, 13.6], [5.0, 5.0, 5.0], [0.0], [1.0, 5.0, 5.0 + 1e-9]])
def test_few_clips_claim_no_p_value_that_few_clips_cannot_know(scores):
    reference = CalibrationScores(np.array(scores))
    beyond = [reference.p_value(reference.scores[-1] + x) for x in (1e-6, 1, 100, 1e4)]
    assert (np.diff(beyond) < 0).all()
    assert beyond[0] < reference.supported_rate
    assert beyond[2] > 1e-4
    assert reference.spread >= np.std(scores)
