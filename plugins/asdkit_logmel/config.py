"""Options of ``log-mel``."""

from typing import Literal

from pydantic import model_validator

from asdkit.api import Config, Field


class LogMelConfig(Config):
    """Log-mel spectrogram; names, defaults and conventions are librosa's, sizes those of DCASE 2020 Task 2."""

    n_fft: int = Field(1024, ge=16, le=65536, description="samples of a frame (64 ms at 16 kHz)")
    hop_length: int = Field(512, ge=1, description="samples from one frame to the next")
    n_mels: int = Field(128, ge=1, le=4096, description="mel bands")
    fmin: float = Field(0.0, ge=0, description="lowest frequency, Hz")
    fmax: float | None = Field(None, gt=0, description="highest frequency, Hz; default half the sample rate")
    power: Literal[1, 2] = Field(2, description="exponent of the magnitude: 1 or 2")
    center: bool = Field(True, description="frames centred on their time, the wave padded with zeros")
    htk: bool = Field(False, description="HTK's mel scale instead of Slaney's")

    @model_validator(mode="after")
    def _ordered(self) -> "LogMelConfig":
        if self.fmax is not None and self.fmax <= self.fmin:
            raise ValueError(f"fmax ({self.fmax}) must be above fmin ({self.fmin})")
        return self

    def rate_problems(self, sample_rate: int) -> list[str]:
        """Refuse bands above half the sample rate: there is nothing."""
        half = sample_rate / 2
        if self.fmin >= half:
            return [f"fmin: {self.fmin:g} Hz is not below half the sample rate ({half:g} Hz)"]
        if self.fmax is not None and self.fmax > half:
            return [f"fmax: {self.fmax:g} Hz is above half the sample rate ({half:g} Hz)"]
        return []
