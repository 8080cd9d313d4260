"""Small synthetic machines for tests of detectors: packed features like log-mel, no audio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from asdkit_augment.config import MixConfig, WarpConfig
from asdkit_augment.mix import Mix
from asdkit_augment.warp import Warp

from asdkit.api import Context, Features, State, Training, cut_windows
from asdkit.interfaces import Augmentation

BANDS = 16
AUGMENTATIONS = (
    Augmentation("warp", WarpConfig(), Warp(WarpConfig())),
    Augmentation("mix", MixConfig(), Mix(MixConfig())),
)


def clips(ids: Sequence[str], frames: int = 24, seed: int = 0, fault: bool = False, bands: int = BANDS) -> Features:
    """One clip per entry of `ids`: a smooth spectrum of each id, slowly modulated, with noise.

    A fault adds an impulse every sixth frame, like a damaged bearing, and moves the spectrum towards the other id's.
    """
    rng = np.random.default_rng(seed)
    all_frames = []
    for name in ids:
        own = np.random.default_rng(sum(name.encode()))
        spectrum = own.normal(0, 6, bands)
        if fault:
            other = {"id_00": "id_01", "id_01": "id_00"}[name]
            spectrum = 0.4 * spectrum + 0.6 * np.random.default_rng(sum(other.encode())).normal(0, 6, bands)
        phase = rng.uniform(0, 2 * np.pi)
        swing = np.sin(phase + np.arange(frames) * 0.5)[:, None] * own.normal(0, 2, bands)
        clip = spectrum + swing + rng.normal(0, 1, (frames, bands))
        if fault:
            clip[rng.integers(6) :: 6] += 6
        all_frames.append(clip - 40)
    offsets = np.arange(len(ids) + 1, dtype=np.int64) * frames
    return Features(np.concatenate(all_frames).astype(np.float32), offsets)


def training(
    features: Features,
    ids: Sequence[str],
    frames: int | str,
    hop: int = 1,
    augmentations: Sequence[Augmentation] = (),
) -> Training:
    """The training data that a run gives a detector; without wave variants."""
    names = sorted(set(ids))
    classes = np.array([names.index(name) for name in ids], np.int64)
    extra = [
        f"{name}~{item.name}:{variant}"
        for item in augmentations
        for variant in item.config.variant_names
        for name in names
    ]
    windows = cut_windows(features.offsets, frames, hop)
    return Training(features, windows, tuple(ids), classes, (*names, *extra), len(ids), tuple(augmentations))


class Keeper(Context):
    """A context that keeps checkpoints in memory and can stop a fit after some batches."""

    def __init__(
        self, stop_after: int | None = None, kept: State | None = None, threads: int = 1, seed: int = 0
    ) -> None:
        super().__init__(device="cpu", seed=seed, threads=threads)
        self.left = stop_after
        self.kept = kept
        self.reports: list[dict[str, float | int | str]] = []

    def progress(self, **values: float | int | str) -> None:
        self.reports.append(values)

    def should_stop(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0

    def save_checkpoint(self, state: State) -> None:
        self.kept = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in state.items()}

    def load_checkpoint(self) -> State | None:
        return self.kept
