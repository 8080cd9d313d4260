"""Standardisation of bands."""

from __future__ import annotations

import numpy as np
import pytest

from asdkit.api import Features, cut_windows
from asdkit.training.standardize import Standardizer
from tests.helpers.detector_rooms import clips

IDS = ["id_00", "id_01"] * 6


def test_bands_get_mean_zero_and_deviation_one() -> None:
    features = clips(IDS)
    features.frames[:, 2] = -80
    standardizer = Standardizer.fit(features, np.arange(12))
    frames = features.frames.copy()
    standardizer.apply(frames[None], np.zeros(1, np.int64))
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.delete(frames.std(axis=0), 2), 1, rtol=1e-3)
    assert np.abs(frames[:, 2]).max() < 1  # a constant band stays finite


def test_silence_has_a_scale_of_one() -> None:
    silent = Features(np.full((10, 3), -100, np.float32), np.array([0, 10]))
    np.testing.assert_array_equal(Standardizer.fit(silent, np.array([0])).scale, 1)


def test_each_id_may_have_its_own_mean() -> None:
    features, ids = clips(IDS), np.array([IDS.index(name) for name in IDS])
    standardizer = Standardizer.fit(features, np.arange(12), ids)
    frames = features.frames.reshape(12, -1, features.bands).copy()
    standardizer.apply(frames, ids)
    for index in (0, 1):
        np.testing.assert_allclose(frames[ids == index].mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose((frames**2).mean(axis=(0, 1)), 1, rtol=1e-3)
    np.testing.assert_array_equal(standardizer.groups(np.array([0, 1, 2, 3])), [0, 1, 0, 1])  # variants: their id's


def test_an_id_without_clips_gets_the_overall_mean() -> None:
    ids = np.array([IDS.index(name) for name in IDS])
    standardizer = Standardizer.fit(clips(IDS), np.flatnonzero(ids == 0), ids)
    np.testing.assert_array_equal(standardizer.mean[1], standardizer.mean[0])


@pytest.mark.parametrize("length", [1, 5])
def test_levels_of_windows_are_subtracted(length: int) -> None:
    features = clips(IDS)
    starts = cut_windows(features.offsets, length).starts
    standardizer = Standardizer.fit(features, np.arange(12), less_level=True)
    windows = np.stack([features.frames[start : start + length] for start in starts])
    standardizer.apply(windows, np.zeros(len(windows), np.int64))
    decibels = windows / standardizer.scale + standardizer.mean
    np.testing.assert_allclose(decibels.mean(axis=(1, 2)), 0, atol=1e-4)
    if length == 1:  # otherwise a frame keeps what its level differs from the window's
        np.testing.assert_allclose(windows.mean(axis=(0, 1)), 0, atol=1e-3)
        np.testing.assert_allclose(windows.std(axis=(0, 1)), 1, rtol=1e-3)


def test_gains_of_clips_do_not_change_the_standardisation_without_level() -> None:
    features = clips(IDS)
    gains = np.random.default_rng(0).uniform(-12, 6, (12, 1, 1)).astype(np.float32)
    moved = features.frames.reshape(12, -1, features.bands) + gains
    plain = Standardizer.fit(features, np.arange(12), less_level=True)
    at_gains = Features(moved.reshape(features.frames.shape), features.offsets)
    other = Standardizer.fit(at_gains, np.arange(12), less_level=True)
    assert plain.less_level
    assert not Standardizer.fit(features, np.arange(12)).less_level
    np.testing.assert_allclose(other.mean, plain.mean, atol=1e-4)
    np.testing.assert_allclose(other.scale, plain.scale, rtol=1e-4)
