"""Plain kernels replace SIMD kernels that fail, after one warning."""

import warnings

import numpy as np
import pytest

from asdkit.errors import AsdkitWarning
from asdkit.kernels import fallback, gather, log_mel, log_mel_plain, log_mel_simd, mel_filters, power_to_db, stft
from tests.helpers.broken_simd import FAILURES, break_simd
from tests.kernels import naive
from tests.kernels.waves import assert_close_in_each_frame, noise

CAUSES = {
    "import": "ModuleNotFoundError: import of asdkit.kernels.simd halted",
    "compile": "_undefined_name|Failed in nopython mode",
    "self-test": "ArithmeticError: self-test",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_plain_kernels_replace_those_that_fail(failure, monkeypatch):
    wave = noise(4000)
    expected = naive.decibel(
        naive.stft(wave, n_fft=1024, hop_length=512) @ mel_filters(sample_rate=16000, n_fft=1024).T
    )
    break_simd(failure, monkeypatch)
    with pytest.warns(AsdkitWarning, match=CAUSES[failure]) as caught:
        result = log_mel(wave)
    assert len(caught) == 1
    np.testing.assert_allclose(result, expected, atol=1e-3)
    int16 = (wave * 32768).astype(np.int16)  # no second warning: it would be an error
    np.testing.assert_allclose(log_mel(int16), expected, atol=0.02)
    spectra = stft(wave)
    assert_close_in_each_frame(spectra, naive.stft(wave, n_fft=1024, hop_length=512))
    np.testing.assert_allclose(power_to_db(spectra), naive.decibel(spectra.astype(np.float64)), atol=1e-5)


def test_gather_does_not_need_simd(monkeypatch):
    break_simd("import", monkeypatch)
    frames = noise(64).reshape(16, 4)
    windows = gather(frames, np.array([3]), 2, np.empty((1, 2, 4), np.float32))
    np.testing.assert_array_equal(windows[0], frames[3:5])


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize("name", ["spectra", "band_rows", "power_to_db"])
def test_self_test_accepts_the_simd_kernels(name, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fallback.KernelSelector().select(name, np.dtype(dtype)) is getattr(log_mel_simd, name)


@pytest.mark.parametrize("name", ["spectra", "band_rows"])
def test_self_test_rejects_nan(name, monkeypatch):
    simd = getattr(log_mel_simd, name)

    def nan_in_one_number(*arguments):
        simd(*arguments)
        arguments[-1][0, 0] = np.nan

    monkeypatch.setattr(log_mel_simd, name, nan_in_one_number)
    with pytest.warns(AsdkitWarning, match="self-test"):
        selected = fallback.KernelSelector().select(name, np.dtype(np.float32))
    assert selected is getattr(log_mel_plain, name)


def test_failure_replaces_kernels_selected_before(monkeypatch):
    selector = fallback.KernelSelector()
    assert selector.select("power_to_db", np.dtype(np.float32)) is log_mel_simd.power_to_db
    break_simd("self-test", monkeypatch)
    with pytest.warns(AsdkitWarning, match="slower ones"):
        selector.select("spectra", np.dtype(np.float32))
    assert selector.select("power_to_db", np.dtype(np.float32)) is log_mel_plain.power_to_db
