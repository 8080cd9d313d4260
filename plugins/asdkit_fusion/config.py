"""Options of ``z-score``."""

from typing import Literal

from asdkit.api import Config, Field


class ZScoreConfig(Config):
    """Fusion of Giri et al. 2020, section 2.3."""

    combine: Literal["mean", "max", "median"] = Field(
        "mean",
        description="how the members' z-scores become one: mean and max are the report's; the median needs three "
        "members to differ from the mean, and follows most of them where one is far off",
    )
