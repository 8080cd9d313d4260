"""Mel bands and decibels against float64 and librosa."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.kernels import log_mel, mel_filters, mel_spectrogram, power_to_db, stft
from tests.helpers.properties import examples
from tests.kernels import naive
from tests.kernels.waves import assert_close_in_each_frame, machine, noise

librosa = pytest.importorskip("librosa")

pytestmark = pytest.mark.usefixtures("kernels")


def exact_mel(wave, *, sample_rate=16000, n_fft=1024, hop_length=512, n_mels=128, power=2, **framing):
    """Mel bands in float64."""
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels)
    return naive.stft(wave, n_fft=n_fft, hop_length=hop_length, power=power, **framing) @ filters.T


@settings(max_examples=examples(40), deadline=None)
@given(
    n_fft=st.sampled_from([64, 256, 1024, 2048, 300]),
    hop=st.integers(40, 3000),
    samples=st.integers(0, 20000),
    n_mels=st.integers(1, 140),
    center=st.booleans(),
    power=st.sampled_from([1, 2]),
    seed=st.integers(0, 1000),
)
def test_mel_bands_are_within_a_millionth_of_the_largest(n_fft, hop, samples, n_mels, center, power, seed):
    hop = max(hop, samples // 20)
    wave = machine(samples, seed)
    sizes = {"n_fft": n_fft, "hop_length": hop, "n_mels": n_mels, "center": center, "power": power}
    assert_close_in_each_frame(mel_spectrogram(wave, **sizes), exact_mel(wave, **sizes))


@settings(max_examples=examples(25), deadline=None)
@given(n_fft=st.sampled_from([256, 512, 1024, 2048, 4096]), n_mels=st.sampled_from([40, 128]), seed=st.integers(0, 999))
def test_decibels_have_the_documented_accuracy(n_fft, n_mels, seed):
    wave = machine(12000, seed)
    sizes = {"n_fft": n_fft, "hop_length": n_fft // 2, "n_mels": n_mels}
    db, expected = log_mel(wave, **sizes), naive.decibel(exact_mel(wave, **sizes))
    error = np.abs(db - expected)
    below_top = expected.max(axis=1, keepdims=True) - expected
    assert error[below_top <= 40].max() < 1e-3
    assert error[below_top <= 80].max() < 0.02


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("power", [1, 2])
def test_log_mel_matches_librosa(pad_mode, power):
    wave = machine(20000, 3)
    mel = librosa.feature.melspectrogram(
        y=wave.astype(np.float64), sr=16000, n_fft=1024, hop_length=512, pad_mode=pad_mode, power=power
    )
    expected = librosa.power_to_db(mel, top_db=None).T
    np.testing.assert_allclose(log_mel(wave, pad_mode=pad_mode, power=power), expected, atol=0.005)


def test_silence_is_minus_100_db_exactly():
    assert np.all(log_mel(np.zeros(5000, np.float32)) == np.float32(-100))
    assert np.all(log_mel(np.zeros(5000, np.int16)) == np.float32(-100))


def test_empty_wave_is_one_silent_frame_if_centred():
    assert np.all(log_mel(np.zeros(0, np.float32)) == np.float32(-100))
    assert log_mel(np.zeros(0, np.float32), center=False).shape == (0, 128)
    assert log_mel(np.zeros(1023, np.int16), center=False).shape == (0, 128)


def test_denormal_samples_count_as_silence():
    wave = np.full(5000, 1e-42, np.float32)
    assert np.all(log_mel(wave) == np.float32(-100))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's, without the JIT
@pytest.mark.parametrize("n_fft", [1024, 1000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_sample_affects_its_own_frames_only(bad, n_fft):
    wave = noise(40000)
    good = log_mel(wave, n_fft=n_fft)
    wave[20000] = bad
    db = log_mel(wave, n_fft=n_fft)
    touched = np.array([abs(t * 512 - 20000) < n_fft // 2 for t in range(len(db))])  # beyond: window weight zero
    assert not np.isfinite(db[touched]).any()
    assert np.array_equal(db[~touched], good[~touched])


def test_int16_equals_its_float32_bit_for_bit():
    wave = (noise(16000) * 32768).astype(np.int16)
    np.testing.assert_array_equal(log_mel(wave), log_mel(wave.astype(np.float32) / np.float32(32768)))


@pytest.mark.parametrize("n_mels", [1, 13, 16, 40, 128])
def test_only_the_given_rows_are_written(n_mels):
    wave = noise(20000)
    expected = log_mel(wave, n_mels=n_mels)
    matrix = np.full((len(expected) + 4, n_mels), 7, np.float32)
    assert log_mel(wave, n_mels=n_mels, out=matrix[2:-2]).base is matrix
    np.testing.assert_array_equal(matrix[2:-2], expected)
    assert np.all(matrix[:2] == 7)
    assert np.all(matrix[-2:] == 7)


def test_read_only_strided_and_double_waves_are_accepted():
    wave = noise(5000)
    expected = log_mel(wave)
    read_only = np.frombuffer(wave.tobytes(), np.float32)
    np.testing.assert_array_equal(log_mel(read_only), expected)
    np.testing.assert_array_equal(log_mel(np.repeat(wave, 2)[::2]), expected)
    np.testing.assert_array_equal(log_mel(wave.astype(np.float64)), expected)


def test_threads_are_independent():
    waves = [noise(16000 + 100 * i, i) for i in range(8)]
    alone = [log_mel(w, n_mels=64) for w in waves]
    together = [None] * len(waves)

    def work(i):
        for _ in range(20):
            together[i] = log_mel(waves[i], n_mels=64)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(waves))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(result, expected)


@settings(deadline=None)
@given(st.lists(st.floats(0, 2.0**127, width=32), max_size=70))
def test_power_to_db_is_the_logarithm(values):
    power = np.array(values, np.float32)
    np.testing.assert_allclose(power_to_db(power), naive.decibel(power.astype(np.float64)), atol=1e-5, rtol=1e-6)


def test_power_to_db_keeps_shape_nan_and_infinity():
    power = np.array([[1, np.nan, 0], [np.inf, 1e-10, 100]], np.float32)
    np.testing.assert_allclose(power_to_db(power), [[0, np.nan, -100], [np.inf, -100, 20]], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wave": np.zeros((2, 1000), np.float32)}, "wave must be"),
        ({"wave": np.zeros(1000, np.int32)}, "wave must be"),
        ({"hop_length": 0}, "hop_length"),
        ({"n_fft": 1}, "n_fft"),
        ({"n_mels": 0}, "bands"),
        ({"pad_mode": "edge"}, "pad_mode"),
        ({"power": 3}, "power"),
        ({"fmin": 9000}, "fmin"),
        ({"window": np.ones(2000)}, "window"),
        ({"wave": np.zeros(0, np.float32), "pad_mode": "reflect"}, "empty"),
        ({"out": np.zeros((3, 128), np.float32)}, "out must be"),
        ({"out": np.zeros((2, 128), np.float64)}, "out must be"),
        ({"out": np.zeros((2, 256), np.float32)[:, ::2]}, "out must be"),
    ],
)
def test_invalid_arguments_are_errors(change, message):
    arguments = {"wave": np.zeros(1000, np.float32)} | change
    with pytest.raises(ValueError, match=message):
        log_mel(arguments.pop("wave"), **arguments)


def test_stft_and_mel_agree():
    wave = machine(9000, 1)
    filters = mel_filters(sample_rate=16000, n_fft=1024).T
    assert_close_in_each_frame(mel_spectrogram(wave), stft(wave).astype(np.float64) @ filters)
