"""Spectra in log-spaced bands against their definition in float64 and scipy's Welch estimate."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from asdkit.kernels import band_centres, band_spectrum
from asdkit.kernels.log_bands import band_bank, band_edges, band_filters
from tests.helpers.properties import examples
from tests.kernels import naive
from tests.kernels.waves import machine, noise

RATE = 16000

pytestmark = pytest.mark.usefixtures("kernels")


def welch_bands(wave, n_fft, edges):
    """Welch's density in dB, averaged over the bins of each band."""
    frequencies, density = welch(wave.astype(np.float64), RATE, nperseg=n_fft, detrend=False)
    bands = []
    for low, high in pairwise(edges):
        inside = (frequencies >= low) & (frequencies < high)
        nearest = np.abs(frequencies - np.sqrt(low * high)).argmin()
        bands.append(density[inside].mean() if inside.any() else density[nearest])
    return 10 * np.log10(bands)


@pytest.mark.parametrize("n_fft", [1024, 2048, 4096, 8192, 16384, 65536])
def test_the_mean_power_over_frames_is_that_of_welch(n_fft):
    wave = machine(3 * n_fft + 100, 1)
    power = 10 ** (band_spectrum(wave, sample_rate=RATE, n_fft=n_fft).astype(np.float64) / 10)
    expected = welch_bands(wave, n_fft, np.geomspace(10, 0.99 * RATE / 2, 97))
    np.testing.assert_allclose(10 * np.log10(power.mean(axis=0)), expected, atol=0.02)


@settings(max_examples=examples(20), deadline=None)
@given(
    n_fft=st.sampled_from([1024, 4096, 8192, 16384]),
    samples=st.integers(0, 40000),
    n_bands=st.sampled_from([1, 13, 48, 96]),
    fmin=st.floats(1, 200),
    int16=st.booleans(),
    seed=st.integers(0, 999),
)
def test_every_frame_matches_float64(n_fft, samples, n_bands, fmin, int16, seed):
    wave = noise(samples, seed)
    if int16:
        wave = (wave * 32768).astype(np.int16)
    padded = np.pad(wave, (0, max(0, n_fft - samples)))
    expected = naive.band_spectrum(padded, sample_rate=RATE, n_fft=n_fft, n_bands=n_bands, fmin=fmin, fmax=7000)
    db = band_spectrum(wave, sample_rate=RATE, n_fft=n_fft, n_bands=n_bands, fmin=fmin, fmax=7000)
    assert db.shape == expected.shape
    # White noise: bands lie within 40 dB of each other, where float32 is accurate.
    top = expected.max(axis=1, keepdims=True)
    np.testing.assert_allclose(np.maximum(db, top - 40), np.maximum(expected, top - 40), atol=0.01)


def test_a_wave_shorter_than_a_frame_has_one():
    short = noise(3000)
    padded = np.concatenate([short, np.zeros(5192, np.float32)])
    np.testing.assert_array_equal(band_spectrum(short), band_spectrum(padded))
    assert band_spectrum(np.zeros(0, np.int16)).shape == (1, 96)


def test_silence_is_finite():
    # |X|**2 of at least 1e-10, in a density over 16000 Hz and a Hann window of 8192 samples.
    expected = 10 * np.log10(1e-10 / (16000 * 3 / 8 * 8192))
    np.testing.assert_allclose(band_spectrum(np.zeros(20000, np.float32)), expected, atol=1e-4)


def test_a_tone_is_in_its_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(40000) / RATE).astype(np.float32)
    spectrum = band_spectrum(tone, sample_rate=RATE)
    edges = band_edges(96, RATE, 10, None)
    assert np.all(spectrum.argmax(axis=1) == np.searchsorted(edges, 1000) - 1)


def test_narrow_bands_share_the_nearest_bin():
    filters = band_filters(96, sample_rate=RATE, n_fft=1024, fmin=10, fmax=None)
    centres = band_centres(96, sample_rate=RATE)
    np.testing.assert_array_equal(filters[0], filters[1])
    assert np.all(filters[:, 1:-1].sum(axis=1) == pytest.approx(2))  # one-sided; neither bin 0 nor the last is used
    nearest = filters.argmax(axis=1) * RATE / 1024
    assert np.abs(nearest - centres)[:10].max() <= RATE / 1024 / 2
    bank = band_bank(filters)
    dense = np.zeros_like(filters)
    for band in range(96):
        entries = slice(bank.begins[band], bank.begins[band + 1])
        dense[band, bank.bins[entries]] = bank.weights[entries, 0]
    np.testing.assert_allclose(dense, filters, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fmin": 0.0}, "fmin = 0 Hz"),
        ({"fmin": 9000.0}, "fmin = 9000 Hz"),
        ({"fmax": 9000.0}, "fmax = 9000 Hz"),
        ({"n_bands": 0}, "bands"),
        ({"wave": np.zeros((2, 9000), np.float32)}, "wave must be"),
        ({"out": np.zeros((2, 96), np.float32)}, "out must be"),
    ],
)
def test_invalid_arguments_are_errors(change, message):
    arguments = {"wave": np.zeros(9000, np.float32)} | change
    with pytest.raises(ValueError, match=message):
        band_spectrum(arguments.pop("wave"), **arguments)
