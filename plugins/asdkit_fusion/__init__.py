"""Fusion of several detectors' clip scores."""

from asdkit.api import Entry, hookimpl
from asdkit_fusion.config import MeanConfig, ZScoreConfig


@hookimpl
def asdkit_fusers() -> list[Entry]:
    """Register the fusers ``z-score`` and ``mean``."""
    return [
        Entry(
            "z-score",
            ZScoreConfig,
            "asdkit_fusion.z_score:ZScore",
            summary="Scores standardised per id over its training clips: mean, maximum, upper half, or a lead.",
            api_version=2,
        ),
        Entry(
            "mean",
            MeanConfig,
            "asdkit_fusion.mean:Mean",
            summary="Mean of the members' scores as they are, for members whose scores have the same scale.",
            api_version=2,
        ),
    ]
