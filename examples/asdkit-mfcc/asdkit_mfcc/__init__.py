"""Mel-frequency cepstral coefficients: options and hook."""

from asdkit.api import Config, Entry, Field, hookimpl


class MfccConfig(Config):
    """The first coefficients of the cosine transform of a log-mel spectrogram (Davis and Mermelstein 1980)."""

    coefficients: int = Field(20, ge=1, le=64, description="numbers of a frame; the first is the level")
    mel_bands: int = Field(64, ge=64, le=512, description="mel bands that are transformed")
    n_fft: int = Field(1024, ge=64, le=16384, description="samples of a frame (64 ms at 16 kHz)")
    hop_length: int = Field(512, ge=16, le=16384, description="samples from one frame to the next")


@hookimpl
def asdkit_featurizers():
    target = "asdkit_mfcc.featurizer:Mfcc"
    return [Entry("mfcc", MfccConfig, target, "Mel-frequency cepstral coefficients.", api_version=2)]
