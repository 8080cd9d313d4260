"""Built-in network detectors without training, for tests of their graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from asdkit.bundle.members import Member
from asdkit.plugins import Registry

IDS = ("00", "02", "04")


def untrained(registry: Registry, use: str, options: Mapping[str, Any], *, bands: int = 16) -> Member:
    """Return a member whose network has its initial weights, for windows of 5 frames, or 32 of a classifier."""
    import torch

    from asdkit.training.detector import _Trained
    from asdkit.training.standardize import Standardizer

    entry = registry.find("detector", use).entry
    assert entry is not None
    frames = 32 if use == "id-classifier" else 5
    detector = entry.load()(entry.config(**options))
    torch.manual_seed(0)
    network = detector.build(frames, bands, len(IDS))
    rows = len(IDS) if detector.standardize_per_id else 1
    mean = np.random.default_rng(0).standard_normal((rows, bands)).astype(np.float32)
    if getattr(network, "distance", None) is not None:
        for buffer in network.distance.buffers():
            buffer.copy_(torch.randn(buffer.shape) * 0.1)
    standardizer = Standardizer(mean, np.ones(bands, np.float32), detector.less_level)
    detector._trained = _Trained(network.eval(), standardizer, list(IDS), frames, len(IDS))
    return Member(use, use, 0, frames, 1, "mean", {"": detector}, IDS)
