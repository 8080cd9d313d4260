"""Options of ``spectrum``."""

from typing import Literal

from pydantic import model_validator

from asdkit.api import Config, Field


class SpectrumConfig(Config):
    """Power spectrum by Welch's method: Hann windows that overlap by half, each frame kept."""

    n_fft: Literal[1024, 2048, 4096, 8192, 16384, 32768, 65536] = Field(
        8192, description="samples of a frame (512 ms at 16 kHz); the hop is half of it"
    )
    n_bands: int = Field(96, ge=1, le=4096, description="log-spaced bands; one narrower than a bin takes the nearest")
    fmin: float = Field(10.0, gt=0, description="lowest frequency, Hz")
    fmax: float | None = Field(None, gt=0, description="highest frequency, Hz; default 0.99 times half the sample rate")

    @model_validator(mode="after")
    def _ordered(self) -> "SpectrumConfig":
        if self.fmax is not None and self.fmax <= self.fmin:
            raise ValueError(f"fmax ({self.fmax}) must be above fmin ({self.fmin})")
        return self

    def rate_problems(self, sample_rate: int) -> list[str]:
        """Refuse bands above half the sample rate: there is nothing."""
        half = sample_rate / 2
        if self.fmax is not None and self.fmax > half:
            return [f"fmax: {self.fmax:g} Hz is above half the sample rate ({half:g} Hz)"]
        if self.fmax is None and self.fmin >= 0.99 * half:  # the highest frequency then
            return [f"fmin: {self.fmin:g} Hz is not below 0.99 times half the sample rate ({0.99 * half:g} Hz)"]
        return []
