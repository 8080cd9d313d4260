"""The featurizer ``log-mel``."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray, Wave, frame_count
from asdkit_logmel.config import LogMelConfig


class LogMel:
    """Log-mel spectrogram in dB, written straight into the packed matrix."""

    scale: Literal["db"] = "db"

    def __init__(self, config: LogMelConfig) -> None:
        self.config = config
        self.bands = config.n_mels
        self.hop, self.reach = config.hop_length, config.n_fft

    def rows(self, n_samples: int) -> int:
        """How many frames a wave of `n_samples` samples gives."""
        config = self.config
        return frame_count(n_samples, n_fft=config.n_fft, hop_length=config.hop_length, center=config.center)

    def frequencies(self, sample_rate: int) -> npt.NDArray[np.float64]:
        """Middle of each band in Hz [float64, ``[bands]``]."""
        from asdkit.api import mel_centres

        config = self.config
        fmax = sample_rate / 2 if config.fmax is None else config.fmax
        return mel_centres(self.bands, fmin=config.fmin, fmax=fmax, htk=config.htk)

    def fill(self, wave: Wave, sample_rate: int, out: FloatArray) -> None:
        """Write the frames of `wave` [float32 or int16, ``[samples]``] into `out` [float32, ``[rows, bands]``]."""
        from asdkit.api import log_mel  # brings Numba, which `rows` does without

        config = self.config
        log_mel(
            wave,
            sample_rate=sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.fmax,
            power=config.power,
            center=config.center,
            htk=config.htk,
            out=out,
        )
