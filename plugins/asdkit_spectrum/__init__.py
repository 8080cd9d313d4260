"""Power spectra of long frames, by the toolkit's own kernels."""

from asdkit.api import Entry, hookimpl
from asdkit_spectrum.config import SpectrumConfig


@hookimpl
def asdkit_featurizers() -> list[Entry]:
    """Register the featurizer ``spectrum``."""
    return [
        Entry(
            "spectrum",
            SpectrumConfig,
            "asdkit_spectrum.featurizer:Spectrum",
            summary="Power spectral density of long frames in log-spaced bands, in dB.",
            api_version=2,
        )
    ]
