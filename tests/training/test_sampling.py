"""Sampling the windows of an epoch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from asdkit_augment.config import MixConfig, ResampleConfig, WarpConfig
from asdkit_augment.mix import Mix
from asdkit_augment.warp import Warp
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.api import AsdkitWarning, Features, Training, cut_windows
from asdkit.interfaces import Augmentation
from asdkit.training.sampling import Sampler, split_validation


def simple_training(lengths, ids, frames=5, hop=1, augmentations=(), rates=()) -> Training:
    """Clips whose frames hold the row's number; copies of each rate follow the real clips."""
    all_lengths = [*lengths, *(round(length / rate) for rate in rates for length in lengths)]
    offsets = np.cumsum([0, *all_lengths]).astype(np.int64)
    frames_array = np.repeat(np.arange(offsets[-1], dtype=np.float32)[:, None], 3, axis=1)
    names = sorted(set(ids))
    classes, class_names = [names.index(name) for name in ids], list(names)
    for item in augmentations:
        for variant in item.config.variant_names:
            if item.augmenter is None:
                classes += [len(class_names) + names.index(name) for name in ids]
            class_names += [f"{name}~{item.name}:{variant}" for name in names]
    all_ids = tuple(ids) * (1 + len(rates))
    windows = cut_windows(offsets, frames, hop)
    return Training(
        Features(frames_array, offsets),
        windows,
        all_ids,
        np.array(classes),
        tuple(class_names),
        len(ids),
        augmentations,
    )


MIX = Augmentation("mix", MixConfig(), Mix(MixConfig()))
WARP = Augmentation("warp", WarpConfig(variants=2), Warp(WarpConfig(variants=2)))
RESAMPLE = Augmentation("resample", ResampleConfig(rates=[0.9, 1.1]), None)


def sample(training: Training, per_clip=4, batch=8, least=1, seed=0, clips=None):
    clips = np.arange(training.real) if clips is None else clips
    return Sampler(training, clips).sample(per_clip, batch, least, np.random.default_rng(seed))


@given(st.lists(st.integers(3, 40), min_size=2, max_size=8), st.integers(1, 12), st.integers(0, 99))
@settings(deadline=None)
def test_each_clip_gives_distinct_windows_up_to_the_limit(lengths, per_clip, seed) -> None:
    training = simple_training(lengths, ["a"] * len(lengths))
    sampled = sample(training, per_clip, batch=1, seed=seed) if max(lengths) >= 5 else None
    if sampled is None:
        return
    starts, counts = np.unique(sampled.starts, return_counts=True)
    assert (counts == 1).all()
    of_clip = np.searchsorted(training.features.offsets, starts, side="right") - 1
    expected = [min(max(0, length - 4), per_clip) for length in lengths]
    np.testing.assert_array_equal(np.bincount(of_clip, minlength=len(lengths)), expected)


def test_every_window_is_equally_likely() -> None:
    training = simple_training([14], ["a"])
    rng = np.random.default_rng(0)
    sampler = Sampler(training, np.array([0]))
    counts = np.zeros(10)
    for _ in range(3000):
        counts[sampler.sample(3, 1, 1, rng).starts] += 1
    # Each of 10 windows is sampled with probability 0.3: its count has a deviation of sqrt(3000 * 0.21) = 25.
    np.testing.assert_allclose(counts, 900, atol=4.5 * 25)


def test_small_sets_are_sampled_in_several_passes() -> None:
    training = simple_training([10, 10], ["a", "b"])
    sampled = sample(training, per_clip=3, batch=8, least=4)
    assert sampled.batches == 4
    assert len(sampled.starts) == 32
    assert sample(training, per_clip=3, batch=4, least=1).batches == 1  # of 6 windows, 2 are dropped
    assert len(sample(training, per_clip=3, batch=100, least=1).starts) == 102 // 100 * 100


def test_the_same_generator_gives_the_same_sample() -> None:
    training = simple_training([30] * 4, ["a", "b"] * 2, augmentations=(WARP, MIX))
    one, same, other = (sample(training, seed=s) for s in (1, 1, 2))
    for field in ("starts", "classes", "transforms"):
        np.testing.assert_array_equal(getattr(one, field), getattr(same, field))
    assert (one.starts != other.starts).any()


def test_augmenters_have_equal_probabilities_unless_stated() -> None:
    ids = ["a", "b"] * 4
    many = {"per_clip": 1000, "batch": 1, "least": 20_000}
    shares = (
        np.bincount(sample(simple_training([1000] * 8, ids, augmentations=(WARP, MIX)), **many).transforms + 1) / 20_000
    )
    # None, two variants of warp, mix: a third, a sixth each, a third; deviation below 0.004.
    np.testing.assert_allclose(shares / shares.sum(), [1 / 3, 1 / 6, 1 / 6, 1 / 3], atol=0.015)
    stated = Augmentation("mix", MixConfig(), Mix(MixConfig()), probability=0.5)
    shares = np.bincount(sample(simple_training([1000] * 8, ids, augmentations=(WARP, stated)), **many).transforms + 1)
    np.testing.assert_allclose(shares / shares.sum(), [0.25, 0.125, 0.125, 0.5], atol=0.015)


def test_probabilities_above_one_are_refused() -> None:
    greedy = [Augmentation(f"mix{i}", MixConfig(), Mix(MixConfig()), probability=0.6) for i in range(2)]
    with pytest.raises(ValueError, match=r"add up to 1.2"):
        Sampler(simple_training([10, 10], ["a", "b"], augmentations=tuple(greedy)), np.arange(2))


def test_wave_variants_give_the_window_at_the_same_position() -> None:
    lengths, ids, rates = [100, 60], ["a", "b"], (0.9, 1.1)
    training = simple_training(lengths, ids, augmentations=(RESAMPLE,), rates=rates)
    sampled = sample(training, per_clip=50, batch=1, least=5000)
    assert (sampled.transforms == -1).all()
    clip = np.searchsorted(training.features.offsets, sampled.starts, side="right") - 1
    np.testing.assert_array_equal(sampled.classes, training.classes[clip])
    assert training.class_names == ("a", "b", "a~resample:0.9", "b~resample:0.9", "a~resample:1.1", "b~resample:1.1")
    shares = [(clip // 2 == group).mean() for group in range(3)]
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.04)
    # Every window of a copy is at a position that some window of its original maps to.
    counts = np.diff(training.windows.offsets)
    for copy, original in ((2, 0), (4, 0), (3, 1), (5, 1)):
        positions = ((np.arange(counts[original]) + 0.5) / counts[original] * counts[copy]).astype(int)
        seen = np.unique(sampled.starts[clip == copy] - training.features.offsets[copy])
        assert set(seen) <= set(positions.tolist())
        assert len(seen) > 0.8 * len(set(positions.tolist()))


def test_copies_shorter_than_a_window_are_not_sampled() -> None:
    training = simple_training([5, 5], ["a", "b"], augmentations=(RESAMPLE,), rates=(0.9, 1.25))
    sampled = sample(training, per_clip=1, batch=1, least=400)
    assert not (sampled.starts >= training.features.offsets[4]).any()
    assert set(sampled.classes) == {0, 1, 2, 3}


def test_windows_of_a_transform_are_contiguous_in_batches() -> None:
    sampled = sample(simple_training([50] * 4, ["a", "b"] * 2, augmentations=(WARP, MIX)), per_clip=40, batch=16)
    for batch in sampled.transforms.reshape(-1, 16):
        assert (np.diff(batch) >= 0).all()


def test_window_variants_get_classes_after_earlier_augmenters() -> None:
    sampler = Sampler(
        simple_training([50] * 2, ["a", "b"], augmentations=(RESAMPLE, WARP, MIX), rates=(0.9, 1.1)), np.arange(2)
    )
    assert [t.class_shift for t in sampler.transforms] == [2 * 3, 2 * 4, 0]
    names = sampler.training.class_names
    assert names[sampler.transforms[1].class_shift + 1] == "b~warp:1"


def test_mixing_with_one_id_warns_and_does_nothing() -> None:
    training = simple_training([20, 20], ["a", "a"], augmentations=(MIX,))
    with pytest.warns(AsdkitWarning, match="'mix' blends two ids, but the training clips have one"):
        sampler = Sampler(training, np.arange(2))
    assert sampler.transforms == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sampler(simple_training([20, 20], ["a", "b"], augmentations=(MIX,)), np.arange(2))


def test_only_the_given_clips_and_copies_are_sampled() -> None:
    training = simple_training([20] * 6, ["a", "b"] * 3, augmentations=(RESAMPLE,), rates=(0.9, 1.1))
    sampled = sample(training, per_clip=20, batch=1, least=500, clips=np.array([1, 4]))
    clip = np.searchsorted(training.features.offsets, sampled.starts, side="right") - 1
    assert set(clip % 6) == {1, 4}
    assert set(clip // 6) == {0, 1, 2}


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=40), st.floats(0, 0.9), st.integers(0, 1000))
@settings(deadline=None)
def test_validation_clips_are_disjoint_and_of_every_id(ids, fraction, seed) -> None:
    training = simple_training([10] * len(ids), ids)
    train_clips, validation_clips = split_validation(training, fraction, np.random.default_rng(seed))
    assert sorted([*train_clips, *validation_clips]) == list(range(len(ids)))
    for name in set(ids):
        own = [i for i in range(len(ids)) if ids[i] == name]
        held = sum(i in validation_clips for i in own)
        assert held == min(round(fraction * len(own)), len(own) - 1)
        assert any(i in train_clips for i in own)


def test_clips_without_a_window_are_not_used() -> None:
    train_clips, validation_clips = split_validation(
        simple_training([10, 4, 10, 3], ["a"] * 4), 0.5, np.random.default_rng(0)
    )
    assert sorted([*train_clips, *validation_clips]) == [0, 2]
