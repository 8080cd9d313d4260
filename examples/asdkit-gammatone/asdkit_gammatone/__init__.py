"""Energies of a gammatone filterbank, by SciPy's filters."""

from asdkit.api import Config, Entry, Field, hookimpl


class GammatoneConfig(Config):
    """Fourth-order filters, equally spaced on the scale of equivalent rectangular bandwidths (ERB)."""

    bands: int = Field(64, ge=1, le=512, description="filters")
    fmin: float = Field(50.0, ge=20, le=20_000, description="centre frequency of the lowest filter, Hz")
    fmax: float = Field(
        0.45, gt=0, lt=0.5, description="centre frequency of the highest filter, as a share of the sample rate"
    )
    hop_length: int = Field(
        512, ge=16, le=65_536, description="samples from one frame to the next; a frame has twice that"
    )


@hookimpl
def asdkit_featurizers():
    return [
        Entry(
            "gammatone",
            GammatoneConfig,
            "asdkit_gammatone.featurizer:Gammatone",
            summary="Energies of a gammatone filterbank in dB.",
            api_version=2,
        )
    ]
