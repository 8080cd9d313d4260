"""Blends of two ids."""

from __future__ import annotations

import numpy as np
import pytest
from asdkit_augment.config import MixConfig
from asdkit_augment.mix import Mix, partners
from hypothesis import given
from hypothesis import strategies as st


def one_hot(classes: list[int], count: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[classes]


def mixed(domain: str, windows: np.ndarray, targets: np.ndarray, seed: int = 0, **options):
    return Mix(MixConfig(domain=domain, **options)).transform(windows, targets, np.random.default_rng(seed), 0)


def test_targets_are_the_proportions_of_the_blend() -> None:
    classes = [0, 1, 2] * 20
    levels = np.array([0.0, 1.0, 10.0], np.float32)  # a window of class c is all levels[c]
    windows = np.broadcast_to(levels[classes][:, None, None], (60, 4, 3)).copy()
    blended, targets = mixed("log", windows, one_hot(classes, 5))
    np.testing.assert_allclose(
        blended, np.broadcast_to((targets[:, :3] @ levels)[:, None, None], blended.shape), atol=1e-5
    )
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    assert ((targets > 0).sum(axis=1) == 2).all()
    assert (targets[:, 3:] == 0).all()


def test_the_power_domain_blends_powers() -> None:
    rng = np.random.default_rng(1)
    classes = [0, 1] * 8
    powers = rng.gamma(1.0, 1.0, (16, 5, 4)).astype(np.float32)
    decibels = 10 * np.log10(powers)
    blended, targets = mixed("power", decibels.copy(), one_hot(classes, 2), seed=5)
    shares, partner = targets[np.arange(16), classes], partners(np.array(classes), np.random.default_rng(5))
    expected = shares[:, None, None] * powers + (1 - shares)[:, None, None] * powers[partner]
    np.testing.assert_allclose(blended, 10 * np.log10(expected), atol=1e-3)


def test_mixing_commutes_with_the_mel_filters() -> None:
    """A mel filter bank is linear in power: filtering and blending commute."""
    rng = np.random.default_rng(2)
    spectra, filters = rng.gamma(1.0, 1.0, (10, 6, 33)), rng.uniform(0, 1, (33, 8))
    classes = [0, 1] * 5
    log_mel = (10 * np.log10(spectra @ filters)).astype(np.float32)
    blended, targets = mixed("power", log_mel.copy(), one_hot(classes, 2), seed=3)
    shares = targets[np.arange(10), classes][:, None, None]
    partner = partners(np.array(classes), np.random.default_rng(3))
    expected = 10 * np.log10((shares * spectra + (1 - shares) * spectra[partner]) @ filters)
    np.testing.assert_allclose(blended, expected, atol=1e-3)


@pytest.mark.parametrize("domain", ["log", "power"])
def test_silence_of_one_id_stays_unchanged(domain) -> None:
    windows = np.full((4, 3, 2), -100, np.float32)
    blended, targets = mixed(domain, windows.copy(), one_hot([1] * 4, 3))
    np.testing.assert_allclose(blended, windows, atol=1e-3)
    np.testing.assert_allclose(targets, one_hot([1] * 4, 3), atol=1e-6)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 100))
def test_partners_have_another_class_where_possible(classes, seed) -> None:
    array = np.array(classes)
    partner = partners(array, np.random.default_rng(seed))
    for item, other in enumerate(partner):
        assert array[other] != array[item] if len(set(classes)) > 1 else other == item


def test_every_item_of_another_class_can_be_partner() -> None:
    classes = np.array([0, 1, 1, 2])
    rng = np.random.default_rng(0)
    drawn = np.array([partners(classes, rng) for _ in range(300)])
    assert set(drawn[:, 0]) == {1, 2, 3}
    assert set(drawn[:, 1]) == {0, 3}


def test_the_same_generator_gives_the_same_blend() -> None:
    windows = np.random.default_rng(0).normal(size=(6, 3, 2)).astype(np.float32)
    targets = one_hot([0, 1, 0, 1, 0, 1], 2)
    for one, other in zip(
        mixed("log", windows.copy(), targets, 7), mixed("log", windows.copy(), targets, 7), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (mixed("log", windows.copy(), targets, 8)[0] != mixed("log", windows.copy(), targets, 7)[0]).any()
