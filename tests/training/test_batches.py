"""Batches of an epoch, in main memory and on a device. The device is the CPU: the same operations run on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from asdkit_augment.config import MixConfig
from asdkit_augment.mix import Mix

from asdkit.api import Features, Training, cut_windows
from asdkit.interfaces import Augmentation
from asdkit.training import batches as batches_module
from asdkit.training.batches import Batch, DeviceBatches, HostBatches, WindowSource
from asdkit.training.sampling import EpochSample, Sampler
from asdkit.training.standardize import Standardizer
from tests.helpers.detector_rooms import AUGMENTATIONS, clips, training

IDS = ["id_00", "id_01"] * 6
CPU = torch.device("cpu")


def sampled(
    augmentations: tuple[Augmentation, ...],
    *,
    scale: str = "db",
    per_id: bool = False,
    batches: int = 3,
    less_level: bool = False,
) -> tuple[Training, WindowSource, EpochSample]:
    """A dozen clips, a source of their windows, and a sample of an epoch."""
    features = clips(IDS)
    if scale == "power":
        features = Features((10 ** (features.frames / 10)).astype(np.float32), features.offsets, scale)
    data = training(features, IDS, 5, augmentations=augmentations)
    sampler = Sampler(data, np.arange(len(IDS)))
    sample = sampler.sample(8, 16, batches, np.random.default_rng(0))
    standardizer = Standardizer.fit(features, np.arange(6), data.classes if per_id else None, less_level)
    return data, WindowSource(features, 5, len(data.class_names), standardizer, sampler.transforms), sample


def copied(batches: Iterator[Batch]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Copy batches out of their buffers."""
    return [(batch.windows.clone(), batch.targets.clone()) for batch in batches]


def assert_same_batches(source: WindowSource, sample: EpochSample, threads: int) -> None:
    host = copied(HostBatches(source, 16, threads).epoch(sample, 7, 0))
    device = copied(DeviceBatches(source, CPU, threads).epoch(sample, 7, 0))
    assert len(host) == len(device) == sample.batches >= 6
    for (windows, targets), (device_windows, device_targets) in zip(host, device, strict=True):
        torch.testing.assert_close(windows, device_windows, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(targets, device_targets)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("scale", "per_id", "less_level"), [("db", False, False), ("power", True, False), ("db", True, True)]
)
def test_device_batches_equal_host_batches(threads: int, scale: str, per_id: bool, less_level: bool) -> None:
    _, source, sample = sampled(AUGMENTATIONS, scale=scale, per_id=per_id, less_level=less_level)
    assert_same_batches(source, sample, threads)


def test_epochs_without_augmenters_start_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Iterator[Any]:
        raise AssertionError("threads were started")

    _, source, sample = sampled(())
    host = copied(HostBatches(source, 16, 1).epoch(sample, 7, 0))
    monkeypatch.setattr(batches_module, "prefetched", refuse)
    device = copied(DeviceBatches(source, CPU, threads=3).epoch(sample, 7, 0))
    torch.testing.assert_close(device, host, rtol=1e-5, atol=1e-5)


def test_the_last_batch_may_be_smaller() -> None:
    features = clips(IDS)
    windows = cut_windows(features.offsets, 5)
    source = WindowSource(features, 5, 2, Standardizer.fit(features, np.arange(12)), [])
    sample = EpochSample.plain(windows.starts, np.zeros(len(windows), np.int64), 100)
    for batches in (HostBatches(source, 100, 2), DeviceBatches(source, CPU, 2)):
        assert [len(batch.windows) for batch in batches.epoch(sample, 0, 0)] == [100, 100, 40]


@pytest.mark.parametrize("per_id", [False, True])
def test_windows_are_gathered_augmented_then_standardised(per_id: bool) -> None:
    """Mixing powers does not commute with standardisation, so the order shows."""
    mix = Mix(MixConfig(domain="power"))
    data, source, sample = sampled((Augmentation("mix", mix.config, mix, probability=1.0),), per_id=per_id, batches=1)
    batch = next(iter(HostBatches(source, 16, 1).epoch(sample, 7, 0)))
    rows = np.stack([data.features.frames[start : start + 5] for start in sample.starts[:16]])
    targets = np.eye(2, dtype=np.float32)[sample.classes[:16]]
    blended, shares = mix.transform(rows, targets, np.random.default_rng([7, 0, 0]), 0)
    means = source.standardizer.mean[sample.classes[:16] % len(source.standardizer.mean), None]
    np.testing.assert_allclose(batch.windows, (blended - means) * source.standardizer.scale, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(batch.targets, shares)
