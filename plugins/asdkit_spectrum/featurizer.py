"""The featurizer ``spectrum``."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, Wave, frame_count
from asdkit_spectrum.config import SpectrumConfig


class Spectrum:
    """Power spectral density of long frames in log-spaced bands, in dB, written straight into the packed matrix.

    Frames are not padded, so the mean power over a clip is that of `scipy.signal.welch`. Only a wave shorter than one
    frame is followed by zeros: every wave has a frame.
    """

    scale: Literal["db"] = "db"

    def __init__(self, config: SpectrumConfig) -> None:
        self.config = config
        self.bands = config.n_bands

    def rows(self, n_samples: int) -> int:
        """How many frames a wave of `n_samples` samples gives."""
        n_fft = self.config.n_fft
        return frame_count(max(n_samples, n_fft), n_fft=n_fft, hop_length=n_fft // 2, center=False)

    def frequencies(self, sample_rate: int) -> npt.NDArray[np.float64]:
        """Geometric centre of each band in Hz [float64, ``[bands]``]."""
        from asdkit.api import band_centres

        return band_centres(self.bands, sample_rate=sample_rate, fmin=self.config.fmin, fmax=self.config.fmax)

    def fill(self, wave: Wave, sample_rate: int, out: FloatArray) -> None:
        """Write the frames of `wave` [float32 or int16, ``[samples]``] into `out` [float32, ``[rows, bands]``]."""
        from asdkit.api import band_spectrum  # brings Numba, which `rows` does without

        config = self.config
        band_spectrum(
            wave,
            sample_rate=sample_rate,
            n_fft=config.n_fft,
            n_bands=config.n_bands,
            fmin=config.fmin,
            fmax=config.fmax,
            out=out,
        )
