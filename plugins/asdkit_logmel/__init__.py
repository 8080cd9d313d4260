"""Log-mel spectrograms, by the toolkit's own kernels."""

from asdkit.api import Entry, hookimpl
from asdkit_logmel.config import LogMelConfig


@hookimpl
def asdkit_featurizers() -> list[Entry]:
    """Register the featurizer ``log-mel``."""
    return [
        Entry(
            "log-mel",
            LogMelConfig,
            "asdkit_logmel.featurizer:LogMel",
            summary="Log-mel spectrogram in dB, by librosa's conventions.",
            api_version=2,
        )
    ]
