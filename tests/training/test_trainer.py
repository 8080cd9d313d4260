"""The training loop that networks share."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from asdkit_augment.config import WarpConfig
from asdkit_augment.warp import Warp

from asdkit.api import AsdkitError, Context, NetworkConfig, NetworkDetector, Stopped, WindowNetwork
from asdkit.interfaces import Augmentation
from asdkit.training.trainer import learning_rate_factor
from tests.helpers.detector_cases import Case, every_network
from tests.helpers.detector_rooms import AUGMENTATIONS, Keeper, clips, training

IDS = ["id_00", "id_01"] * 6


class Probe(WindowNetwork):
    """One weight per class; records the batches of training."""

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
    """A detector whose network records its training."""

    network = Probe

    def __init__(self, **options: Any) -> None:
        super().__init__(
            NetworkConfig(**{"epochs": 2, "windows_per_clip": 8, "batch_size": 16, "least_batches": 4} | options)
        )
        self.seen: list[Any] = []

    def build(self, frames: int, bands: int, classes: int) -> Probe:
        return self.network(classes, self.seen)


def probed(ctx: Context, augmentations=(), detector: Probing | None = None, **options: Any) -> Probing:
    """A fitted detector."""
    detector = detector or Probing(**options)
    detector.fit(training(clips(IDS), IDS, 5, augmentations=augmentations), ctx)
    return detector


@every_network
def test_a_resumed_fit_ends_bit_identical(case: Case) -> None:
    data = training(clips(IDS), IDS, case.frames, augmentations=() if case.name == "arcface" else AUGMENTATIONS)
    options = {"epochs": 3, "validation": 0.3, "least_batches": 3, "batch_size": 8}
    uninterrupted, counter = case.make_quick(**options), Keeper(stop_after=10**6, seed=4)
    uninterrupted.fit(data, counter)
    assert counter.left is not None
    per_epoch = (10**6 - counter.left) // 3
    keeper = Keeper(seed=4)
    for stop_after in (per_epoch // 2, per_epoch + 2, per_epoch + 1, None):  # in the first, second, third epoch
        keeper = Keeper(stop_after, kept=keeper.kept, seed=4)
        resumed = case.make_quick(**options)
        if stop_after is None:
            resumed.fit(data, keeper)
        else:
            with pytest.raises(Stopped):
                resumed.fit(data, keeper)
    epochs = [report["epoch"] for report in keeper.reports]
    assert epochs[-1] == 3
    assert 2 not in epochs  # it did start from a checkpoint
    first, second = uninterrupted.state(), resumed.state()
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


def test_a_network_with_dropout_resumes_bit_identical() -> None:
    uninterrupted = probed(Keeper(), epochs=3)
    keeper = Keeper(stop_after=14)
    with pytest.raises(Stopped):
        probed(keeper, epochs=3)
    resumed = probed(Keeper(kept=keeper.kept), epochs=3)
    np.testing.assert_array_equal(resumed.state()["network.guess"], uninterrupted.state()["network.guess"])


def test_checkpoints_hold_plain_values_without_scalar_arrays() -> None:
    keeper = Keeper()
    probed(keeper)
    assert keeper.kept is not None
    for name, value in keeper.kept.items():
        assert isinstance(value, np.ndarray | int | float), name
        assert not isinstance(value, np.ndarray) or value.ndim > 0


def test_batches_do_not_depend_on_the_threads() -> None:
    one, two, four = (probed(Context(seed=3, threads=threads), AUGMENTATIONS).seen for threads in (1, 2, 4))
    assert len(one) == len(two) == len(four) == 12
    for batches in zip(one, two, four, strict=True):
        for tensor, *others in zip(*batches, strict=True):
            assert all(torch.equal(tensor, other) for other in others)


def test_window_variants_get_their_own_classes() -> None:
    warp = Augmentation("warp", WarpConfig(variants=2), Warp(WarpConfig(variants=2)), probability=1.0)
    for _, targets in probed(Context(), (warp,)).seen:
        assert targets.shape[1] == 6
        assert (targets[:, 2:].sum(dim=1) == 1).all()


class Settling(Probe):
    """Records what it is settled with, and its weight by then."""

    def finalize(self, batches) -> None:
        assert not self.training
        assert not torch.is_grad_enabled()
        for windows, targets in batches:
            self.seen.append((windows.clone(), targets.clone(), self.guess.clone()))


def test_a_trained_network_settles_on_all_unaugmented_windows() -> None:
    features, warp = clips(IDS), Augmentation("warp", WarpConfig(), Warp(WarpConfig()), probability=1.0)
    detector = Probing(validation=0.3)
    detector.network = Settling
    data = training(features, IDS, 5, augmentations=(warp,))
    detector.fit(data, Context())
    settled = [seen for seen in detector.seen if len(seen) == 3]
    trained = detector._trained
    expected = np.stack([features.frames[start : start + 5] for start in data.windows.starts])
    trained.standardizer.apply(expected, np.zeros(len(expected), np.int64))
    np.testing.assert_allclose(torch.cat([windows for windows, _, _ in settled]), expected, rtol=1e-5, atol=1e-5)
    classes = torch.cat([targets for _, targets, _ in settled]).argmax(dim=1)
    np.testing.assert_array_equal(classes, data.classes[data.windows.clip_of()])
    assert all(torch.equal(weight, trained.network.guess) for _, _, weight in settled)


def test_standardisation_is_fitted_on_training_clips_only() -> None:
    features = clips(IDS)
    mean = probed(Context(seed=1), validation=0.5).state()["standard.mean"]
    assert not any(np.isclose(mean, features.clip(i).mean(axis=0)).any() for i in range(12))
    threes = combinations(range(0, 12, 2), 3), combinations(range(1, 12, 2), 3)
    halves = {(*a, *b): np.mean([features.clip(i).mean(0) for i in (*a, *b)], axis=0) for a, b in product(*threes)}
    assert len([half for half, expected in halves.items() if np.allclose(expected, mean, atol=1e-3)]) == 1


def test_the_epoch_of_lowest_validation_loss_is_kept() -> None:
    class Wandering(Probe):
        """Its validation loss is lowest after the second epoch, whatever its weights are."""

        def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            if self.training:
                return self.guess.sum()
            return torch.tensor([3.0, 1.0, 2.0, 5.0][ctx.epochs_done - 1])

    class Watching(Keeper):
        epochs_done = 0
        weights: dict[int, np.ndarray] = {}  # noqa: RUF012

        def progress(self, **values: float | int | str) -> None:
            self.epochs_done = int(values["epoch"])

        def save_checkpoint(self, state) -> None:
            self.weights[int(state["epoch"])] = state["network.guess"].copy()

    detector, ctx = Probing(validation=0.25, epochs=4), Watching()
    detector.network = Wandering
    probed(ctx, detector=detector)
    np.testing.assert_array_equal(detector.state()["network.guess"], ctx.weights[2])
    assert (ctx.weights[4] != ctx.weights[2]).any()


def test_progress_reports_epoch_loss_and_rate() -> None:
    keeper = Keeper()
    probed(keeper, epochs=3)
    assert [report["epoch"] for report in keeper.reports] == [1, 2, 3]
    for report in keeper.reports:
        assert report["epochs"] == 3
        assert report["loss"] >= 0
        assert report["windows_per_s"] > 0


def test_an_infinite_loss_raises_a_clear_error() -> None:
    class Exploding(Probe):
        def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return self.guess.sum() / 0

    detector = Probing()
    detector.network = Exploding
    with pytest.raises(AsdkitError, match="training diverged in epoch 1: the loss is not finite") as caught:
        probed(Context(), detector=detector)
    assert "learning_rate" in caught.value.hint


def test_the_learning_rate_rises_then_falls() -> None:
    rates = np.array([learning_rate_factor(step, 200) for step in range(200)])
    assert rates.max() == 1
    assert 15 <= rates.argmax() <= 20
    assert (np.diff(rates[: rates.argmax()]) > 0).all()
    assert (np.diff(rates[rates.argmax() + 1 :]) < 0).all()
    assert rates[0] < 0.1
    assert rates[-1] < 0.02
    assert learning_rate_factor(0, 1) == 1


CONSTANT = ("network.groups", "network.knowledge")  # which class is a variant of which id; what a probe network knew


@every_network
def test_training_moves_the_weights_of_every_layer(case: Case) -> None:
    initial = case.make_quick(epochs=1, least_batches=1, learning_rate=1e-12, weight_decay=0.0)
    trained = case.make_quick()
    for detector in (initial, trained):
        detector.fit(training(clips(IDS), IDS, case.frames), Context(seed=2))
    before, after = initial.state(), trained.state()
    for name in before:
        if name.startswith("network.") and "num_batches" not in name and name not in CONSTANT:
            assert (before[name] != after[name]).any(), name


@pytest.mark.parametrize(
    ("n_clips", "size", "batches"),
    # 8 windows a clip, batches of at most 64, at least 5 an epoch: full batches, smaller ones, and a second pass.
    [(100, 64, 12), (20, 32, 5), (4, 16, 6), (1, 16, 5)],
)
def test_small_sets_have_smaller_batches_then_more_passes(n_clips, size, batches) -> None:
    ids = ["id_00"] * n_clips
    detector = Probing(epochs=1, batch_size=64, least_batches=5)
    detector.fit(training(clips(ids), ids, 5), Context())
    assert [len(windows) for windows, _ in detector.seen] == [size] * batches
