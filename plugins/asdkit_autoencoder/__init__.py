"""The challenge baseline, an autoencoder, and IDNN."""

from asdkit.api import Entry, hookimpl
from asdkit_autoencoder.config import AutoencoderConfig


@hookimpl
def asdkit_detectors() -> list[Entry]:
    """Register the detector ``autoencoder``."""
    return [
        Entry(
            "autoencoder",
            AutoencoderConfig,
            "asdkit_autoencoder.detector:Autoencoder",
            summary='Reconstruction error of the DCASE 2020 Task 2 baseline; target = "middle" makes it IDNN.',
            defaults={"frames": 5},
            api_version=2,
        )
    ]
