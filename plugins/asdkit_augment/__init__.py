"""Augmenters: blends of two ids, and perturbed copies that are new classes."""

from asdkit.api import Entry, hookimpl
from asdkit_augment.config import MixConfig, ResampleConfig, WarpConfig


@hookimpl
def asdkit_augmenters() -> list[Entry]:
    """Register ``mix``, ``warp`` and ``resample``."""
    return [
        Entry(
            "mix",
            MixConfig,
            "asdkit_augment.mix:Mix",
            summary="Blends windows of two ids; targets are the shares.",
            api_version=2,
        ),
        Entry(
            "warp",
            WarpConfig,
            "asdkit_augment.warp:Warp",
            summary="New classes: the log-mel patch warped (OpenCV).",
            api_version=2,
        ),
        Entry(
            "resample",
            ResampleConfig,
            "asdkit_augment.resample:Resample",
            summary="New classes: the time signal resampled before the features.",
            api_version=2,
        ),
    ]
