"""Waves for the tests of spectra, and the accuracy that spectra must have."""

from __future__ import annotations

import numpy as np


def noise(samples, seed=0, level=0.1):
    return (np.random.default_rng(seed).standard_normal(samples) * level).astype(np.float32)


def machine(samples, seed):
    """Hum, its harmonics, and noise, over 60 dB."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 16000
    hum = sum(10 ** (-h / 4) * np.sin(2 * np.pi * 117.3 * h * t) for h in range(1, 12))
    return (0.2 * hum + 10 ** rng.uniform(-4, -1) * rng.standard_normal(samples)).astype(np.float32)


def assert_close_in_each_frame(result, expected, tolerance=1e-6):
    """Within `tolerance` of each frame's largest value."""
    assert result.shape == expected.shape
    assert result.dtype == np.float32
    error = np.abs(result - expected).max(axis=1, initial=0)
    assert np.all(error <= tolerance * expected.max(axis=1, initial=0)), error.max()
