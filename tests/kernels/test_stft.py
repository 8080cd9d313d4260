"""Spectra against the definition in float64, over sizes, hops, paddings, windows, lengths and sample formats."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.kernels import frame_count, stft
from asdkit.kernels.fft import _output_positions
from asdkit.kernels.framing import FFT_SIZES
from tests.helpers.properties import examples
from tests.kernels import naive
from tests.kernels.waves import assert_close_in_each_frame, noise

OTHER_SIZES = [2, 16, 50, 63, 400, 1000, 1023]

pytestmark = pytest.mark.usefixtures("kernels")


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("n_fft", [*FFT_SIZES, *OTHER_SIZES])
def test_every_size_matches_float64(n_fft, power):
    wave = noise(3 * n_fft + 17)
    hop = max(1, n_fft // 2 - 1)
    spectra = stft(wave, n_fft=n_fft, hop_length=hop, power=power)
    assert_close_in_each_frame(spectra, naive.stft(wave, n_fft=n_fft, hop_length=hop, power=power))


@settings(max_examples=examples(60), deadline=None)
@given(
    n_fft=st.sampled_from([64, 128, 256, 512, 1024, 100, 63]),
    hop=st.integers(1, 1500),
    samples=st.integers(0, 6000),
    center=st.booleans(),
    reflect=st.booleans(),
    int16=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_hop_padding_and_length_matches_float64(n_fft, hop, samples, center, reflect, int16, seed):
    hop = max(hop, samples // 40)  # the definition is slow
    pad_mode = "reflect" if reflect and samples else "constant"
    wave = noise(samples, seed)
    if int16:
        wave = (wave * 32768).astype(np.int16)
    spectra = stft(wave, n_fft=n_fft, hop_length=hop, center=center, pad_mode=pad_mode)
    expected = naive.stft(wave, n_fft=n_fft, hop_length=hop, center=center, pad_mode=pad_mode)
    assert len(spectra) == frame_count(samples, n_fft=n_fft, hop_length=hop, center=center)
    assert_close_in_each_frame(spectra, expected)


@pytest.mark.parametrize("n_fft", [256, 250])
def test_given_window_is_centred_in_the_frame(n_fft):
    wave, window = noise(2000), np.hamming(200)
    spectra = stft(wave, n_fft=n_fft, hop_length=100, window=window)
    assert_close_in_each_frame(spectra, naive.stft(wave, n_fft=n_fft, hop_length=100, window=window))


def test_tone_has_its_power_in_its_bin():
    # A periodic Hann window has the mean 1/2, so a cosine of amplitude A on bin k has |X[k]| = A n_fft / 4.
    n_fft, k, amplitude = 1024, 100, 0.5
    wave = amplitude * np.cos(2 * np.pi * k / n_fft * np.arange(8 * n_fft))
    spectrum = stft(wave.astype(np.float32), n_fft=n_fft, hop_length=n_fft, center=False)
    np.testing.assert_allclose(spectrum[:, k], (amplitude * n_fft / 4) ** 2, rtol=1e-5)
    assert np.all(spectrum.argmax(axis=1) == k)


@pytest.mark.parametrize("n_fft", [256, 1024])
def test_power_obeys_parseval(n_fft):
    # Parseval: the sum of |x|^2 is the sum of |X|^2 over all n_fft bins, divided by n_fft; inner bins count twice.
    wave = noise(n_fft * 4)
    spectrum = stft(wave, n_fft=n_fft, hop_length=n_fft, window=np.ones(n_fft), center=False).astype(np.float64)
    total = (2 * spectrum.sum(axis=1) - spectrum[:, 0] - spectrum[:, -1]) / n_fft
    np.testing.assert_allclose(total, (wave.reshape(4, n_fft).astype(np.float64) ** 2).sum(axis=1), rtol=1e-6)


def test_int16_equals_its_float32_bit_for_bit():
    wave = (noise(16000) * 32768).astype(np.int16)
    np.testing.assert_array_equal(stft(wave), stft(wave.astype(np.float32) / np.float32(32768)))


def test_output_positions_are_those_of_decimation_in_frequency():
    for n in (8, 16, 32, 64, 512, 4096):
        assert sorted(_output_positions(n)) == list(range(n))
    # Two passes by hand: eight transforms of four numbers.
    numbers = np.random.default_rng(0).standard_normal(32) + 1j
    z = np.array([naive.dft(numbers[i::4]) for i in range(4)]).T  # z[k, i]
    z = z * np.exp(-2j * np.pi * np.outer(np.arange(8), np.arange(4)) / 32)
    z = np.array([naive.dft(row) for row in z]).ravel()
    np.testing.assert_allclose(z[_output_positions(32)], naive.dft(numbers), atol=1e-12)
