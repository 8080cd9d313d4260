"""Statistics against their equations, and what each of them leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from asdkit_statistics.config import StatisticsConfig
from asdkit_statistics.statistics import compute, width
from asdkit_statistics.summary import summarise
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.api import Context, Features, cut_windows
from tests.detectors import naive
from tests.helpers.properties import examples


def clip(frames=60, bands=32, seed=0):
    return np.random.default_rng(seed).normal(-30, 6, (frames, bands)).astype(np.float32)


def statistic(name, frames, scale="db", decay=0.9):
    return compute(frames[None], name, scale, decay)[0]


@settings(max_examples=examples(30), deadline=None)
@given(frames=st.integers(1, 80), bands=st.integers(1, 70), decay=st.floats(0, 1), seed=st.integers(0, 999))
def test_each_statistic_is_its_equation(frames, bands, decay, seed):
    x = clip(frames, bands, seed)
    exact = x.astype(np.float64)
    for name, expected in {
        "shape": naive.shape(exact),
        "fine": naive.fine(exact),
        "ranked": naive.ranked(exact, decay),
        "modulation": naive.modulation(exact),
    }.items():
        computed = statistic(name, x, decay=decay)
        assert len(computed) == width(name, bands)
        np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-3, err_msg=name)


def test_ranked_lies_between_mean_and_maximum():
    x = clip()
    np.testing.assert_allclose(statistic("ranked", x, decay=1.0), x.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(statistic("ranked", x, decay=0.0), x.max(axis=0))
    between = statistic("ranked", x, decay=0.9)
    assert np.all((x.mean(axis=0) < between) & (between < x.max(axis=0)))


@pytest.mark.parametrize("name", ["shape", "fine", "modulation"])
def test_gain_changes_nothing(name):
    np.testing.assert_allclose(statistic(name, clip() + np.float32(12)), statistic(name, clip()), atol=1e-3)


def test_fine_leaves_equalisation_out_and_keeps_lines():
    x = clip()
    tilted = x + np.linspace(0, 20, 32, dtype=np.float32)
    inner = slice(4, -4)  # the running mean of a straight line is the line, away from the ends
    np.testing.assert_allclose(statistic("fine", tilted)[inner], statistic("fine", x)[inner], atol=1e-3)
    line = x.copy()
    line[:, 16] += 20
    raised = statistic("fine", line) - statistic("fine", x)
    assert raised.argmax() == 16
    assert raised[16] == pytest.approx(20 * 8 / 9, abs=0.01)


def test_modulation_finds_the_frequency_of_an_envelope():
    frequency, frames = 0.125, 128  # cycles a frame
    x = np.full((frames, 32), -30.0) + 6 * np.sin(2 * np.pi * frequency * np.arange(frames))[:, None]
    levels = statistic("modulation", x.astype(np.float32)).reshape(16, 12).T
    edges = np.geomspace(0.7 * 512 / 16000, 0.495, 13)
    assert np.all(levels.argmax(axis=0) == np.searchsorted(edges, frequency) - 1)
    assert np.all(statistic("modulation", np.full((50, 32), -30, np.float32)) == pytest.approx(-90))


@pytest.mark.parametrize("name", ["shape", "fine", "modulation"])
def test_powers_and_decibels_give_the_same(name):
    powers = (10 ** (clip() / 10)).astype(np.float32)
    np.testing.assert_allclose(statistic(name, powers, "power"), statistic(name, clip()), atol=1e-3)


@pytest.mark.parametrize("name", ["shape", "fine", "ranked", "modulation"])
def test_a_summary_does_not_depend_on_other_windows(name):
    frames = clip(300, 13)
    windows = cut_windows(np.array([0, 300]), 24, 7)
    config = StatisticsConfig(statistics=[name])
    together = summarise(Features(frames, np.array([0, 300])), windows, config, Context())
    for index, start in enumerate(windows.starts):
        alone = Features(frames[start : start + 24].copy(), np.array([0, 24]))
        one = summarise(alone, cut_windows(alone.offsets, 24, 1), config, Context())
        np.testing.assert_array_equal(one[0], together[index])
        whole = summarise(alone, cut_windows(alone.offsets, "clip"), config, Context())
        np.testing.assert_array_equal(whole[0], together[index])


@pytest.mark.parametrize("name", ["power", "shape", "fine", "ranked", "modulation"])
def test_silence_is_finite(name):
    assert np.isfinite(statistic(name, np.zeros((5, 32), np.float32), "power")).all()
    assert np.isfinite(statistic(name, np.full((1, 32), -100, np.float32))).all()
