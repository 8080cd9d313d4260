"""Group MADE: the density of frames given other frames."""

from asdkit.api import Entry, hookimpl
from asdkit_group_made.config import GroupMadeConfig


@hookimpl
def asdkit_detectors() -> list[Entry]:
    """Register the detector ``group-made``."""
    return [
        Entry(
            "group-made",
            GroupMadeConfig,
            "asdkit_group_made.detector:GroupMade",
            summary="Negative log-likelihood by a masked autoencoder over groups of frames, Gaussian mixtures a bin.",
            defaults={"frames": 5},
            api_version=2,
        )
    ]
