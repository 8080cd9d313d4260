"""Waves played faster or slower."""

from __future__ import annotations

import numpy as np
import pytest
from asdkit_augment.config import ResampleConfig
from asdkit_augment.resample import Resample

RATE = 16000


def tone(frequency: float, dtype: type = np.float32) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
    return (wave * 32767).astype(np.int16) if dtype is np.int16 else wave.astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize(("variant", "rate"), [(0, 0.9), (1, 1.1), (2, 0.5)])
def test_resampling_scales_frequency_and_keeps_level(dtype, variant, rate) -> None:
    augmenter = Resample(ResampleConfig(rates=[0.9, 1.1, 0.5]))
    varied = augmenter.vary(tone(1000, dtype), RATE, variant)
    assert varied.dtype == np.float32
    assert len(varied) == augmenter.samples(RATE, variant) == round(RATE / rate)
    middle = varied[len(varied) // 4 : len(varied) // 4 + 4096]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(4096), 65536))
    assert spectrum.argmax() * RATE / 65536 == pytest.approx(1000 * rate, abs=1)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("n_samples", [1, 2, 17, 1023, 160_000])
def test_the_length_is_as_announced(n_samples) -> None:
    augmenter = Resample(ResampleConfig())
    for variant in range(4):
        varied = augmenter.vary(np.zeros(n_samples, np.float32), RATE, variant)
        assert len(varied) == augmenter.samples(n_samples, variant)


def test_each_rate_is_a_variant() -> None:
    assert ResampleConfig(rates=[0.8, 1.25]).variant_names == ("0.8", "1.25")
