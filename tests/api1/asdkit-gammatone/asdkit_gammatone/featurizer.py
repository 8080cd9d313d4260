"""The featurizer ``gammatone``."""

from functools import lru_cache

import numpy as np
from scipy import signal

from asdkit.api import frame_count

FILTER_S = 0.064  # by then the response of the lowest filter, at 50 Hz, has died away
AT_ONCE = 16  # bands filtered at a time: bounded memory however long the clip


class Gammatone:
    """Mean power of each band over a frame of two hops, in dB."""

    scale = "db"

    def __init__(self, config):
        self.config, self.bands = config, config.bands

    def rows(self, n_samples):
        hop = self.config.hop_length
        return frame_count(n_samples, n_fft=2 * hop, hop_length=hop, center=False)

    def frequencies(self, sample_rate):
        return centres(self.bands, self.config.fmin, self.config.fmax * sample_rate)

    def fill(self, wave, sample_rate, out):
        if wave.dtype == np.int16:
            wave = wave.astype(np.float32) / np.float32(32768)
        hop, hops = self.config.hop_length, len(out) + 1
        filters = filterbank(self.bands, self.config.fmin, self.config.fmax * sample_rate, sample_rate)
        for first in range(0, self.bands, AT_ONCE):
            some = filters[first : first + AT_ONCE]
            heard = signal.oaconvolve(np.broadcast_to(wave, (len(some), len(wave))), some, axes=1)[:, : hops * hop]
            power = np.square(heard).reshape(len(some), hops, hop).mean(axis=2)
            frames = (power[:, 1:] + power[:, :-1]).T / 2
            out[:, first : first + AT_ONCE] = 10 * np.log10(np.maximum(frames, 1e-10))


def centres(bands, fmin, fmax):
    """Centre frequencies [float64, ``[bands]``, Hz], on the ERB-rate scale of Glasberg and Moore 1990."""
    low, high = (21.4 * np.log10(1 + 0.00437 * f) for f in (fmin, max(fmin, fmax)))
    return (10 ** (np.linspace(low, high, bands) / 21.4) - 1) / 0.00437


@lru_cache(maxsize=8)
def filterbank(bands, fmin, fmax, sample_rate):
    """Impulse responses [float32, ``[bands, taps]``]; gain 1 at the centre frequencies."""
    taps = round(FILTER_S * sample_rate)
    found = [signal.gammatone(f, "fir", numtaps=taps, fs=sample_rate)[0] for f in centres(bands, fmin, fmax)]
    return np.stack(found).astype(np.float32)
