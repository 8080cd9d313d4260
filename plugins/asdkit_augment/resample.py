"""The wave played faster or slower."""

from __future__ import annotations

from typing import Literal

import numpy as np

from asdkit.api import Wave
from asdkit_augment.config import ResampleConfig


class Resample:
    """Augmenter ``resample``: variant ``v`` has every frequency multiplied by ``rates[v]``."""

    kind: Literal["wave"] = "wave"

    def __init__(self, config: ResampleConfig) -> None:
        self.config = config

    def samples(self, n_samples: int, variant: int) -> int:
        """Samples of the variant."""
        return max(1, round(n_samples / self.config.rates[variant]))

    def vary(self, wave: Wave, sample_rate: int, variant: int) -> Wave:
        """Resample as if the wave had been recorded at ``rates[v]`` times its rate; float32."""
        import soxr

        rate = self.config.rates[variant]
        plain = wave.astype(np.float32) / 32768 if wave.dtype == np.int16 else wave
        played = soxr.resample(plain, rate * sample_rate, sample_rate, quality="HQ")
        wanted = self.samples(len(wave), variant)  # soxr's own rounding may differ by a sample
        made: Wave = np.zeros(wanted, np.float32)
        made[: min(wanted, len(played))] = played[:wanted]
        return made
