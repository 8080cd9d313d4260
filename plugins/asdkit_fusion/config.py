"""Options of ``z-score`` and ``mean``."""

from typing import Literal

from asdkit.api import Config, Field


class ZScoreConfig(Config):
    """Fusion of Giri et al. 2020, section 2.3."""

    combine: Literal["mean", "max", "upper", "lead"] = Field(
        "mean",
        description="how the members' z-scores become one: mean and max are the report's; upper is the mean of the "
        "higher half of them, for members of which each detects other faults; with lead the first member decides, and "
        "where all others are above it, or all below, the score is half way to the nearest of them",
    )
    least_deviation: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="added to each deviation in quadrature, sqrt(deviation**2 + least_deviation**2), so that a member "
        "whose few training scores hardly vary by chance does not outweigh the others; in the units of the members' "
        "scores, so for members whose scores have one scale",
    )


class MeanConfig(Config):
    """Mean of scores; it has no option."""
