"""The training loop that networks share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from asdkit_augment.config import MixConfig, WarpConfig
from asdkit_augment.mix import Mix
from asdkit_augment.warp import Warp

from asdkit.api import (
    AsdkitError,
    Context,
    Features,
    NetworkConfig,
    NetworkDetector,
    Stopped,
    WindowNetwork,
    cut_windows,
)
from asdkit.interfaces import Augmentation
from asdkit.training.batches import DeviceBatches, HostBatches, WindowSource
from asdkit.training.sampling import EpochSample, Sampler
from asdkit.training.standardize import Standardizer
from asdkit.training.trainer import rate
from tests.helpers.detector_cases import NETWORKS, Case
from tests.helpers.detector_rooms import Keeper, clips, training

IDS = ["id_00", "id_01"] * 6
every_network = pytest.mark.parametrize("case", NETWORKS, ids=str)
AUGMENTATIONS = (
    Augmentation("warp", WarpConfig(), Warp(WarpConfig())),
    Augmentation("mix", MixConfig(), Mix(MixConfig())),
)


class Probe(WindowNetwork):
    """One number for each class, which remembers the batches it saw."""

    def __init__(self, classes: int, seen: list[Any]) -> None:
        super().__init__()
        self.guess = torch.nn.Parameter(torch.randn(classes))
        self.dropout = torch.nn.Dropout(0.5)
        self.seen = seen

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append((windows.clone(), targets.clone()))
        return (self.dropout(targets) * self.guess).square().sum()

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        return windows.mean(dim=(1, 2)) + self.guess.sum()


class Probing(NetworkDetector):
    """A detector to look into the loop with."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            NetworkConfig(**{"epochs": 2, "windows_per_clip": 8, "batch_size": 16, "least_batches": 4} | options)
        )
        self.seen: list[Any] = []

    def build(self, frames: int, bands: int, classes: int) -> Probe:
        return Probe(classes, self.seen)


def probed(ctx: Context, augmentations=(), **options: Any) -> Probing:
    detector = Probing(**options)
    detector.fit(training(clips(IDS), IDS, 5, augmentations=augmentations), ctx)
    return detector


@every_network
def test_a_fit_killed_at_any_epoch_and_resumed_ends_bit_identical(case: Case) -> None:
    data = training(clips(IDS), IDS, case.frames, augmentations=() if case.name == "arcface" else AUGMENTATIONS)
    undisturbed, asked = case.make(epochs=3, validation=0.3), Keeper(stop_after=10**6, seed=4)
    undisturbed.fit(data, asked)
    assert asked.left is not None
    an_epoch = (10**6 - asked.left) // 3
    keeper = Keeper(seed=4)
    for stop_after in (an_epoch // 2, an_epoch + 2, an_epoch + 1, None):  # in the first epoch, the second, the third
        keeper = Keeper(stop_after, kept=keeper.kept, seed=4)
        resumed = case.make(epochs=3, validation=0.3)
        if stop_after is None:
            resumed.fit(data, keeper)
        else:
            with pytest.raises(Stopped):
                resumed.fit(data, keeper)
    assert keeper.told[0]["epoch"] == 3  # it did go on from a checkpoint
    first, second = undisturbed.state(), resumed.state()
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


def test_a_network_that_draws_by_itself_resumes_bit_identical_too() -> None:
    undisturbed = probed(Keeper(), epochs=3)
    keeper = Keeper(stop_after=14)
    with pytest.raises(Stopped):
        probed(keeper, epochs=3)
    resumed = probed(Keeper(kept=keeper.kept), epochs=3)
    np.testing.assert_array_equal(resumed.state()["network.guess"], undisturbed.state()["network.guess"])


def test_checkpoints_hold_plain_values_of_at_least_one_dimension() -> None:
    keeper = Keeper()
    probed(keeper)
    assert keeper.kept is not None
    for name, value in keeper.kept.items():
        assert isinstance(value, np.ndarray | int | float), name
        assert not isinstance(value, np.ndarray) or value.ndim > 0


@pytest.mark.parametrize("threads", [2, 4])
def test_batches_are_the_same_whatever_the_number_of_threads(threads) -> None:
    one, many = (probed(Context(seed=3, threads=t), AUGMENTATIONS).seen for t in (1, threads))
    assert len(one) == len(many) == 12
    for first, second in zip(one, many, strict=True):
        for a, b in zip(first, second, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("scale", ["db", "power"])
@pytest.mark.parametrize("about", ["machine", "id"])
def test_batches_gathered_on_a_device_are_those_gathered_in_main_memory(threads, scale, about) -> None:
    """The device here is the CPU: the same operations run on a GPU."""
    plain = clips(IDS)
    frames = plain.frames if scale == "db" else (10 ** (plain.frames / 10)).astype(np.float32)
    data = training(Features(frames, plain.offsets, scale), IDS, 5, augmentations=AUGMENTATIONS)
    sampler = Sampler(data, np.arange(len(IDS)))
    draw = sampler.draw(8, 16, 3, np.random.default_rng(0))
    standard = Standardizer.fit(data.features, np.arange(6), data.classes if about == "id" else None)
    source = WindowSource(data.features, 5, len(data.class_names), standard, sampler.transforms)
    host = HostBatches(source, 16, threads).epoch(draw, 7, 0)
    device = DeviceBatches(source, torch.device("cpu"), threads).epoch(draw, 7, 0)
    count = 0
    for one, other in zip(host, device, strict=True):
        torch.testing.assert_close(one.windows, other.windows, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one.targets, other.targets)
        count += 1
    assert count == draw.batches >= 6


def test_the_last_batch_may_be_smaller_when_all_windows_are_wanted() -> None:
    features = clips(IDS)
    windows = cut_windows(features.offsets, 5)
    source = WindowSource(features, 5, 2, Standardizer.fit(features, np.arange(12)), [])
    draw = EpochSample.plain(windows.starts, np.zeros(len(windows), np.int64), 100)
    for batches in (HostBatches(source, 100, 2), DeviceBatches(source, torch.device("cpu"), 2)):
        sizes = [len(batch.windows) for batch in batches.epoch(draw, 0, 0)]
        assert sizes == [100, 100, 40]


@pytest.mark.parametrize("about", ["machine", "id"])
def test_windows_are_gathered_augmented_then_standardised(about) -> None:
    """Mixing in decibels commutes with standardising; mixing powers does not: the order shows."""
    power = Augmentation("mix", MixConfig(domain="power"), Mix(MixConfig(domain="power")), probability=1.0)
    data = training(clips(IDS), IDS, 5, augmentations=(power,))
    sampler = Sampler(data, np.arange(len(IDS)))
    draw = sampler.draw(8, 16, 1, np.random.default_rng(0))
    standard = Standardizer.fit(data.features, np.arange(12), data.classes if about == "id" else None)
    source = WindowSource(data.features, 5, 2, standard, sampler.transforms)
    batch = next(iter(HostBatches(source, 16, 1).epoch(draw, 7, 0)))
    rows = np.stack([data.features.frames[start : start + 5] for start in draw.starts[:16]])
    targets = np.eye(2, dtype=np.float32)[draw.classes[:16]]
    blended, shares = Mix(MixConfig(domain="power")).transform(rows, targets, np.random.default_rng([7, 0, 0]), 0)
    means = standard.mean[draw.classes[:16] % len(standard.mean), None]
    np.testing.assert_allclose(batch.windows, (blended - means) * standard.scale, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(batch.targets, shares)


def test_variants_of_window_augmenters_get_the_class_that_the_core_sets() -> None:
    warp = Augmentation("warp", WarpConfig(variants=2), Warp(WarpConfig(variants=2)), probability=1.0)
    for _, targets in probed(Context(), (warp,)).seen:
        assert targets.shape[1] == 6
        assert (targets[:, 2:].sum(dim=1) == 1).all()


class Settling(Probe):
    """Remembers what it is settled with, and the weight that it has by then."""

    def settle(self, batches) -> None:
        assert not self.training
        assert not torch.is_grad_enabled()
        for windows, targets in batches:
            self.seen.append((windows.clone(), targets.clone(), self.guess.clone()))


def test_a_network_settles_once_trained_with_all_windows_of_real_clips_as_they_are() -> None:
    features, warp = clips(IDS), Augmentation("warp", WarpConfig(), Warp(WarpConfig()), probability=1.0)
    detector = Probing(validation=0.3)
    detector.build = lambda frames, bands, classes: Settling(classes, [])
    data = training(features, IDS, 5, augmentations=(warp,))
    detector.fit(data, Context())
    network = detector._learnt.network
    settled = [seen for seen in network.seen if len(seen) == 3]
    standard = detector._learnt.standard
    expected = np.stack([features.frames[start : start + 5] for start in data.windows.starts])
    standard.apply(expected, np.zeros(len(expected), np.int64))
    np.testing.assert_allclose(torch.cat([windows for windows, _, _ in settled]), expected, rtol=1e-5, atol=1e-5)
    classes = torch.cat([targets for _, targets, _ in settled]).argmax(dim=1)
    np.testing.assert_array_equal(classes, data.classes[data.windows.clip_of()])
    assert all(torch.equal(weight, network.guess) for _, _, weight in settled)


def test_standardisation_is_fitted_on_the_clips_learnt_from_alone() -> None:
    features = clips(IDS)
    detector = Probing(validation=0.5)
    detector.fit(training(features, IDS, 5), Context(seed=1))
    kept = [i for i in range(12) if np.isclose(detector.state()["standard.mean"], _mean_with(features, i)).any()]
    assert kept == []  # not of any single clip ...
    means = {tuple(sorted(c)): np.mean([features.clip(i).mean(0) for i in c], axis=0) for c in _halves()}
    matching = [c for c, mean in means.items() if np.allclose(mean, detector.state()["standard.mean"], atol=1e-3)]
    assert len(matching) == 1  # ... but of three clips of each id


def _mean_with(features: Features, clip: int) -> np.ndarray:
    return features.clip(clip).mean(axis=0)


def _halves() -> list[tuple[int, ...]]:
    from itertools import combinations, product

    first, second = combinations(range(0, 12, 2), 3), combinations(range(1, 12, 2), 3)
    return [(*a, *b) for a, b in product(list(first), list(second))]


def test_standardised_bands_have_mean_zero_and_deviation_one_and_constant_ones_stay_finite() -> None:
    features = clips(IDS)
    features.frames[:, 2] = -80
    standard = Standardizer.fit(features, np.arange(12))
    frames = features.frames.copy()
    standard.apply(frames[None], np.zeros(1, np.int64))
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.delete(frames.std(axis=0), 2), 1, rtol=1e-3)
    assert np.abs(frames[:, 2]).max() < 1
    silent = Features(np.full((10, 3), -100, np.float32), np.array([0, 10]))
    np.testing.assert_array_equal(Standardizer.fit(silent, np.array([0])).scale, 1)


def test_each_id_may_have_a_mean_of_its_own() -> None:
    features, of = clips(IDS), np.array([IDS.index(name) for name in IDS])
    standard = Standardizer.fit(features, np.arange(12), of)
    frames = features.frames.reshape(12, -1, features.bands).copy()
    standard.apply(frames, of)
    for index in (0, 1):
        np.testing.assert_allclose(frames[of == index].mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose((frames**2).mean(axis=(0, 1)), 1, rtol=1e-3)
    np.testing.assert_array_equal(standard.groups(np.array([0, 1, 2, 3])), [0, 1, 0, 1])  # variants: their id's
    one = Standardizer.fit(features, np.flatnonzero(of == 0), of)  # nothing to learn from of the other id
    np.testing.assert_array_equal(one.mean[1], one.mean[0])


def test_the_epoch_with_the_lowest_loss_on_held_out_clips_is_kept() -> None:
    class Wandering(Probe):
        """Its loss on held-out windows is lowest after the second epoch, whatever it learns."""

        epoch = 0

        def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            if self.training:
                return self.guess.sum()
            return torch.tensor([3.0, 1.0, 2.0, 5.0][min(3, detector.told // 1)])

    class Detector(Probing):
        told = -1

        def build(self, frames: int, bands: int, classes: int) -> Wandering:
            return Wandering(classes, self.seen)

    class Watching(Keeper):
        weights: dict[int, np.ndarray] = {}  # noqa: RUF012

        def progress(self, **values: float | int | str) -> None:
            detector.told = int(values["epoch"]) - 1

        def save_checkpoint(self, state) -> None:
            self.weights[int(state["epoch"])] = state["network.guess"].copy()

    detector = Detector(validation=0.25, epochs=4)
    ctx = Watching()
    detector.fit(training(clips(IDS), IDS, 5), ctx)
    np.testing.assert_array_equal(detector.state()["network.guess"], ctx.weights[2])
    assert (ctx.weights[4] != ctx.weights[2]).any()


def test_progress_tells_epoch_loss_and_rate() -> None:
    keeper = Keeper()
    probed(keeper, epochs=3)
    assert [told["epoch"] for told in keeper.told] == [1, 2, 3]
    for told in keeper.told:
        assert told["epochs"] == 3
        assert told["loss"] >= 0
        assert told["windows_per_s"] > 0


def test_a_loss_that_is_not_finite_is_an_error_for_the_person() -> None:
    class Exploding(Probe):
        def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return self.guess.sum() / 0

    class Detector(Probing):
        def build(self, frames: int, bands: int, classes: int) -> Exploding:
            return Exploding(classes, self.seen)

    with pytest.raises(AsdkitError, match="the loss is not finite") as caught:
        Detector().fit(training(clips(IDS), IDS, 5), Context())
    assert "learning_rate" in caught.value.hint


def test_the_learning_rate_rises_then_falls_to_almost_nothing() -> None:
    rates = np.array([rate(step, 200) for step in range(200)])
    assert rates.max() == 1
    assert 15 <= rates.argmax() <= 20
    assert (np.diff(rates[: rates.argmax()]) > 0).all()
    assert (np.diff(rates[rates.argmax() + 1 :]) < 0).all()
    assert rates[0] < 0.1
    assert rates[-1] < 0.02
    assert rate(0, 1) == 1


def test_weights_of_every_layer_move_in_training() -> None:
    for case in NETWORKS:
        started, trained = case.make(epochs=1, least_batches=1, learning_rate=1e-12, weight_decay=0.0), case.make()
        for detector in (started, trained):
            detector.fit(training(clips(IDS), IDS, case.frames), Context(seed=2))
        before, after = started.state(), trained.state()
        moved = [name for name in before if name.startswith("network.") and "num_batches" not in name]
        for name in moved:
            assert (before[name] != after[name]).any(), f"{case}: {name}"


@pytest.mark.parametrize(
    ("n_clips", "size", "batches"),
    # 8 windows a clip, batches of at most 64, at least 5 an epoch: full batches, smaller ones, and drawing again.
    [(100, 64, 12), (20, 32, 5), (4, 16, 6), (1, 16, 5)],
)
def test_a_small_set_has_smaller_batches_and_then_is_drawn_from_again(n_clips, size, batches) -> None:
    ids = ["id_00"] * n_clips
    detector = Probing(epochs=1, batch_size=64, least_batches=5)
    detector.fit(training(clips(ids), ids, 5), Context())
    assert [len(windows) for windows, _ in detector.seen] == [size] * batches
