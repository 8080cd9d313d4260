"""Isolation forest on statistics of whole clips: options and hook."""

from typing import ClassVar

from asdkit.api import DetectorConfig, Entry, Field, Scale, hookimpl


class IsolationForestConfig(DetectorConfig):
    """Liu, Ting and Zhou 2008; the rows are the mean and deviation of each band over a window."""

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")
    trees: int = Field(100, ge=1, le=10_000, description="trees of the forest")


@hookimpl
def asdkit_detectors():
    return [
        Entry(
            "isolation-forest",
            IsolationForestConfig,
            "asdkit_isolation_forest.detector:IsolationForestDetector",
            summary="Isolation forest on mean and deviation of each band.",
            defaults={"frames": "clip", "scope": "id"},
            api_version=2,
        )
    ]
