"""Fusion of several detectors' clip scores."""

from asdkit.api import Entry, hookimpl
from asdkit_fusion.config import ZScoreConfig


@hookimpl
def asdkit_fusers() -> list[Entry]:
    """Register the fuser ``z-score``."""
    return [
        Entry(
            "z-score",
            ZScoreConfig,
            "asdkit_fusion.z_score:ZScore",
            summary="Scores standardised for each id over its training clips: mean, maximum, or one that leads.",
        )
    ]
