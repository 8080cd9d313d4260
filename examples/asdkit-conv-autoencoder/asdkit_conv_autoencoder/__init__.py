"""A small convolutional autoencoder: options and hook."""

from asdkit.api import Entry, Field, NetworkConfig, hookimpl


class ConvAutoencoderConfig(NetworkConfig):
    """Trained to reproduce windows of healthy sound; the score is the mean squared error."""

    channels: int = Field(8, ge=1, le=256, description="channels of the first convolution")
    code: int = Field(4, ge=1, le=256, description="channels of the code, which has a quarter of the frames and bands")

    def problems(self, job):
        known = job.frames != "clip"  # NetworkConfig's own message says the rest
        wrong = known and job.frames % 4
        return [*super().problems(job), *(["frames: expected a multiple of 4, halved twice"] if wrong else [])]


@hookimpl
def asdkit_detectors():
    return [
        Entry(
            "conv-autoencoder",
            ConvAutoencoderConfig,
            "asdkit_conv_autoencoder.detector:ConvAutoencoder",
            summary="Small convolutional autoencoder.",
            defaults={"frames": 32, "hop": 8},
            api_version=2,
        )
    ]
