"""Options of the classical detectors."""

from __future__ import annotations

from typing import Literal

from asdkit.api import DetectorConfig, Field

Statistic = Literal["mean", "power", "deviation", "change", "median-change"]


class StatisticsConfig(DetectorConfig):
    """What a clip or window is summarised by."""

    statistics: list[Statistic] = Field(
        ["power", "change", "median-change"],
        min_length=1,
        description="of each band: mean; mean power, on the scale of the features; standard deviation; of the steps "
        "from frame to frame, their standard deviation, and the median of their sizes",
    )


class KnnConfig(StatisticsConfig):
    """Nearest neighbours."""

    neighbours: int = Field(1, ge=1, description="how many nearest training windows of each statistic")


class MahalanobisConfig(StatisticsConfig):
    """Mahalanobis distance; it has no option of its own."""


class GmmConfig(StatisticsConfig):
    """Gaussian mixture with diagonal covariances."""

    components: int = Field(2, ge=1, le=1000, description="Gaussians; fewer where there are fewer training windows")
