"""Mel filters against librosa and the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit.kernels import mel_filters
from asdkit.kernels.mel import hz_to_mel, mel_edges, mel_to_hz
from tests.kernels import naive

librosa = pytest.importorskip("librosa")


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(("n_fft", "n_mels", "fmin", "fmax"), [(1024, 128, 0, None), (512, 40, 50, 7000)])
def test_mel_filters_match_librosa(htk, norm, n_fft, n_mels, fmin, fmax):
    options = {"n_fft": n_fft, "n_mels": n_mels, "fmin": fmin, "fmax": fmax, "htk": htk, "norm": norm}
    expected = librosa.filters.mel(sr=16000, dtype=np.float64, **options)
    np.testing.assert_allclose(mel_filters(sample_rate=16000, **options), expected, atol=1e-12)


@pytest.mark.parametrize("norm", ["slaney", None])
def test_mel_filters_are_triangles_between_their_edges(norm):
    filters = mel_filters(sample_rate=8000, n_fft=256, n_mels=20, norm=norm)
    edges = mel_edges(20, 0.0, 4000.0, False)
    expected = [[naive.mel_filter(edges[m : m + 3], k * 8000 / 256, norm) for k in range(129)] for m in range(20)]
    np.testing.assert_allclose(filters, expected, atol=1e-12)


@given(st.floats(0, 20000), st.booleans())
def test_mel_and_hz_are_inverse(hz, htk):
    assert mel_to_hz(hz_to_mel(hz, htk=htk), htk=htk) == pytest.approx(hz, abs=1e-9, rel=1e-12)
