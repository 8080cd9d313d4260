"""A fuser with a weight for each member: options and hook."""

from typing import Annotated

from asdkit.api import Config, Entry, Field, hookimpl


class WeightedConfig(Config):
    """Weighted mean of the members' z-scores."""

    weights: list[Annotated[float, Field(gt=0, le=1e6)]] = Field(
        [], description="weights of the members, in the order of the system; none: all 1"
    )


@hookimpl
def asdkit_fusers():
    target = "asdkit_weighted.fuser:Weighted"
    return [Entry("weighted", WeightedConfig, target, "Weighted mean of z-scores.", api_version=2)]
