"""Options of ``z-score`` and ``mean``."""

from typing import Literal

from asdkit.api import Config, Field


class ZScoreConfig(Config):
    """Fusion of Giri et al. 2020, section 2.3."""

    combine: Literal["mean", "max", "lead"] = Field(
        "mean",
        description="how the members' z-scores become one: mean and max are the report's; with lead the first member "
        "decides, and where all others are above it, or all below, the score is half way to the nearest of them",
    )


class MeanConfig(Config):
    """Mean of scores; it has no option."""
