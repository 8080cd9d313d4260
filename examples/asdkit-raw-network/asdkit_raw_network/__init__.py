"""Raw samples as frames, and a network over them: options and hooks."""

from typing import ClassVar

from asdkit.api import Config, Entry, Field, NetworkConfig, Scale, hookimpl


class SamplesConfig(Config):
    """Frames of consecutive samples that do not overlap: a window is a piece of the wave."""

    size: int = Field(128, ge=16, le=4096, description="samples of a frame (8 ms at 16 kHz)")


class RawNetworkConfig(NetworkConfig):
    """An autoencoder of one-dimensional convolutions over the samples of a window."""

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")
    channels: int = Field(16, ge=1, le=512, description="channels of the first convolution")
    code: int = Field(4, ge=1, le=512, description="channels of the code, which has a value every 16 samples")


@hookimpl
def asdkit_featurizers():
    target = "asdkit_raw_network.featurizer:Samples"
    return [Entry("samples", SamplesConfig, target, "The samples of the wave.", api_version=2)]


@hookimpl
def asdkit_detectors():
    return [
        Entry(
            "raw-network",
            RawNetworkConfig,
            "asdkit_raw_network.detector:RawNetwork",
            summary="Autoencoder over raw samples.",
            defaults={"frames": 16, "hop": 8},
            api_version=2,
        )
    ]
