"""P-values and thresholds: exact up to the highest calibration score, ordered above it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from asdkit.bundle import gamma_fit
from asdkit.bundle.calibration import NOTHING_HELD_OUT, CalibrationScores, Calibrator, ThresholdRule
from tests.helpers.properties import examples

floats = st.floats(-1e6, 1e6, allow_nan=False)
calibrations = st.lists(floats, min_size=1, max_size=60).map(lambda scores: CalibrationScores(np.sort(scores)))


@given(calibrations, floats)
@example(CalibrationScores(np.array([5e-324])), 1.0)  # found by `nox -s explore`: the p-value was 0
def test_p_values_within_the_calibration_scores_are_conformal(calibration, score):
    conformal = (1 + np.sum(calibration.scores >= score)) / (len(calibration.scores) + 1)
    if score <= calibration.scores[-1]:
        assert calibration.p_value(score) == pytest.approx(conformal, rel=1e-12)
    else:
        assert 0 < calibration.p_value(score) <= conformal


@given(calibrations, floats, floats)
def test_a_higher_score_never_has_a_larger_p_value(calibration, one, other):
    low, high = sorted((one, other))
    assert calibration.p_value(high) <= calibration.p_value(low)


@given(calibrations, floats, st.floats(0.001, 0.999))
def test_the_tail_changes_no_decision_at_supported_rates(calibration, score, rate):
    if rate < calibration.supported_rate:
        return
    conformal = (1 + np.sum(calibration.scores >= score)) / (len(calibration.scores) + 1)
    decision = Calibrator({"00": calibration}, ThresholdRule(rate)).decide(score, "00")
    assert decision.anomalous is bool(conformal <= rate * (1 + 1e-12))
    assert decision.reason == ""


def test_p_values_decrease_above_the_calibration_scores():
    calibration = CalibrationScores(np.sort(np.random.default_rng(0).normal(size=30)))
    above = calibration.scores[-1] + np.array([1e-3, 0.1, 1, 3, 10])
    assert (np.diff([calibration.p_value(x) for x in above]) < 0).all()
    assert calibration.p_value(1e9) > 0


def test_one_spread_above_the_highest_halves_the_p_value():
    calibration = CalibrationScores(np.sort(np.random.default_rng(1).exponential(2.0, size=4000)))
    assert calibration.p_value(calibration.scores[-1] + calibration.spread) == pytest.approx(
        calibration.supported_rate / 2
    )


def test_twelve_clips_support_rates_from_one_in_thirteen():
    calibrator = Calibrator({"00": CalibrationScores(np.arange(12.0))}, ThresholdRule(0.05))
    reason = "12 held-out clips of id 00 support no rate below 1 in 13 (7.7 %); 5 % was requested"
    assert calibrator.shortfall("00") == reason
    decision = calibrator.decide(20.0, "00")
    assert (decision.anomalous, decision.reason) == (None, reason)
    assert calibrator.decide(11.0, "00").anomalous is False  # not above the highest healthy clip
    assert Calibrator(calibrator.scores, ThresholdRule(1 / 13)).decide(20.0, "00").anomalous is True
    one = Calibrator({"00": CalibrationScores(np.zeros(1))}, ThresholdRule(0.1))
    assert one.shortfall("00") == "1 held-out clip of id 00 supports no rate below 1 in 2 (50 %); 10 % was requested"


def test_one_per_cent_needs_ninety_nine_clips():
    for n, supported in ((99, True), (98, False)):
        calibrator = Calibrator({"00": CalibrationScores(np.arange(float(n)))}, ThresholdRule(0.01))
        assert calibrator.supports("00") is supported
        assert calibrator.decide(1e3, "00").anomalous is (True if supported else None)


def test_without_clips_held_out_nothing_is_decided():
    decision = Calibrator({}, ThresholdRule()).decide(1.0, "00")
    assert (decision.p_value, decision.anomalous, decision.reason) == (None, None, NOTHING_HELD_OUT)


def test_the_gamma_threshold_is_a_quantile_of_the_fit():
    scores = np.sort(stats.gamma.rvs(4.0, 10.0, 2.0, size=500, random_state=3))
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(scores))
    calibrator = Calibrator({"00": CalibrationScores(scores)}, ThresholdRule(0.1, "gamma"))
    assert calibrator.decide(expected + 1e-6, "00").anomalous is True
    assert calibrator.decide(expected - 1e-6, "00").anomalous is False
    assert expected == pytest.approx(stats.gamma.ppf(0.9, 4.0, 10.0, 2.0), rel=0.03)


def test_a_gamma_fit_of_few_scores_is_plausible():
    threshold = CalibrationScores(np.array([-0.496, -0.259, 0.329])).gamma_threshold(0.1)
    assert threshold == pytest.approx(-0.496 + 0.354 * np.log(10), abs=1e-3)  # an exponential distribution


def test_left_leaning_scores_are_fitted_by_the_normal_limit():
    scores = np.sort(-np.random.default_rng(4).lognormal(size=50))
    threshold = CalibrationScores(scores).gamma_threshold(0.1)
    assert threshold == pytest.approx(stats.norm.ppf(0.9, scores.mean(), scores.std()), rel=0.02)


@settings(max_examples=examples(20))
@given(st.integers(3, 60), st.sampled_from(["normal", "exponential", "standard_t"]), st.integers(0, 1000))
def test_no_fit_is_less_likely_than_the_normal_limit(size, kind, seed):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_t(2, size) if kind == "standard_t" else getattr(rng, kind)(size=size)
    for scores in (np.sort(drawn), np.sort(-drawn)):
        best = max(likelihood for likelihood, _ in gamma_fit.candidates(scores, 0.9))
        assert best >= stats.norm.logpdf(scores, scores.mean(), scores.std()).sum() - 1e-6
        assert best >= stats.expon.logpdf(scores, scores[0], scores.mean() - scores[0]).sum() - 1e-3


@settings(max_examples=examples(20))
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60), st.floats(0.001, 0.5))
@example([-0.496, -0.259, 0.329], 0.1)
@example([0.0, -18.0, -18.0, -1.9], 0.5)
def test_a_gamma_threshold_stays_within_the_data(values, rate):
    calibration = CalibrationScores(np.sort(values))
    threshold = calibration.gamma_threshold(rate)
    if threshold is not None:
        beyond = calibration.spread * max(1, calibration.supported_rate / rate)
        assert np.median(values) <= threshold <= max(values) + beyond * (1 + 1e-9)


def test_a_gamma_threshold_keeps_its_rate():
    """Simulated: 50 sets of 40 clips from each distribution; the mean share above, standard error about 0.6 %."""
    for distribution in (stats.norm(), stats.gamma(3.0)):
        shares = []
        for seed in range(50):
            scores = np.sort(distribution.rvs(size=40, random_state=seed))
            shares.append(distribution.sf(CalibrationScores(scores).gamma_threshold(0.1)))
        assert np.mean(shares) == pytest.approx(0.1, abs=0.02)


def test_a_gamma_fitted_to_equal_scores_decides_nothing():
    calibrator = Calibrator({"00": CalibrationScores(np.ones(20))}, ThresholdRule(0.1, "gamma"))
    decision = calibrator.decide(5.0, "00")
    assert decision.anomalous is None
    assert "too few or too similar" in decision.reason


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(0, 10_000))
def test_above_equal_calibration_scores_any_score_is_anomalous(n):
    calibrator = Calibrator({"00": CalibrationScores(np.full(20, float(n)))}, ThresholdRule(0.05))
    assert calibrator.decide(float(n), "00").anomalous is False
    assert calibrator.decide(n + 1.0, "00").anomalous is True


def test_the_false_alarm_rate_is_the_requested_one():
    """Conformal validity, simulated: 2,000 sets of 39 clips, 20 new clips each; standard deviation about 0.1 %."""
    rng = np.random.default_rng(5)
    for rate in (0.1, 0.05):
        alarms = 0
        for _ in range(2000):
            calibrator = Calibrator({"00": CalibrationScores(np.sort(rng.lognormal(size=39)))}, ThresholdRule(rate))
            alarms += sum(bool(calibrator.decide(x, "00").anomalous) for x in rng.lognormal(size=20))
        assert alarms / 40_000 == pytest.approx(rate, abs=0.006)


@pytest.mark.parametrize("scores", [[13.0, 13.1, 13.6], [5.0, 5.0, 5.0], [0.0], [1.0, 5.0, 5.0 + 1e-9]])
def test_few_clips_give_no_tiny_p_value(scores):
    calibration = CalibrationScores(np.array(scores))
    above = [calibration.p_value(calibration.scores[-1] + x) for x in (1e-6, 1, 100, 1e4)]
    assert (np.diff(above) < 0).all()
    assert above[0] < calibration.supported_rate
    assert above[2] > 1e-4
    assert calibration.spread >= np.std(scores)
