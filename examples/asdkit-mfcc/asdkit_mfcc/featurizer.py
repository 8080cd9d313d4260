"""The featurizer ``mfcc``."""

from scipy.fft import dct

from asdkit.api import frame_count, log_mel


class Mfcc:
    """Cosine transform of log-mel frames; its numbers are neither decibels nor powers."""

    scale = "linear"

    def __init__(self, config):
        self.config, self.bands = config, config.coefficients

    def rows(self, n_samples):
        return frame_count(n_samples, n_fft=self.config.n_fft, hop_length=self.config.hop_length)

    def fill(self, wave, sample_rate, out):
        config = self.config
        sizes = {"n_fft": config.n_fft, "hop_length": config.hop_length, "n_mels": config.mel_bands}
        out[...] = dct(log_mel(wave, sample_rate=sample_rate, **sizes), norm="ortho")[:, : self.bands]
