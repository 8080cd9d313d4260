"""Fit and score waves in memory."""

from __future__ import annotations

import numpy as np
import pytest

from asdkit.errors import DataError, UsageError
from asdkit.run import fit_arrays
from asdkit.spec import load_spec

SPEC = """
asdkit = 1
[data]
layout = "folder"
root = "nowhere"
sample_rate = 8000
[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 16
[detectors.K]
use = "knn"
frames = 5
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / "spec.toml"
    path.write_text(SPEC)
    return load_spec(str(path))


@pytest.fixture(scope="module")
def healthy():
    return [np.random.default_rng(i).normal(0, 0.1, 4000).astype(np.float32) for i in range(4)]


@pytest.fixture(scope="module")
def fitted(small, healthy):
    return fit_arrays(small, "K", healthy, ["a", "a", "b", "b"])


@pytest.mark.parametrize("kind", [float, np.dtype(">f4"), list])
def test_all_kinds_of_waves_score_alike(fitted, healthy, kind):
    given = [wave.tolist() if kind is list else wave.astype(kind) for wave in healthy]
    np.testing.assert_array_equal(fitted.score(given, list("aabb")), fitted.score(healthy, list("aabb")))


def test_no_waves_give_no_scores(fitted):
    assert fitted.score([]).shape == (0,)


@pytest.mark.parametrize(
    ("wave", "error", "why"),
    [
        (np.zeros((4000, 2), np.float32), UsageError, "wave 1 is float32 .4000, 2.; expected one channel"),
        (np.zeros(4000, np.int32), UsageError, "wave 1 is int32"),
        ("a.wav", UsageError, "wave 1 is <U5"),
        (np.full(4000, np.nan), DataError, "wave 1: sample 0 is nan"),
        (np.zeros(300, np.float32), DataError, "wave 1 is shorter than a window: 300 samples give 3 of 5 frames"),
    ],
)
def test_a_bad_wave_is_named(small, fitted, healthy, wave, error, why):
    with pytest.raises(error, match=why):
        fit_arrays(small, "K", [healthy[0], wave])
    with pytest.raises(error, match=why):
        fitted.score([healthy[0], wave])


def test_a_single_wave_is_refused(small, healthy):
    with pytest.raises(UsageError, match=r"wave 0 is float32 .*expected one channel"):
        fit_arrays(small, "K", healthy[0])


@pytest.mark.parametrize("scope", ["machine", "id"])
def test_an_unknown_id_gets_lowest_window_scores(small, healthy, scope):
    fitted = fit_arrays(
        load_spec(small.path, sets=[f'detectors.K.scope="{scope}"']), "K", healthy, ["a", "a", "b", "b"]
    )
    assert set(fitted.detectors) == ({""} if scope == "machine" else {"a", "b"})
    lowest = np.minimum(fitted.score(healthy, list("aaaa")), fitted.score(healthy, list("bbbb")))
    assert (fitted.score(healthy, list("????")) <= lowest).all()
    np.testing.assert_array_equal(fitted.score(healthy, list("aa??"))[:2], fitted.score(healthy, list("aabb"))[:2])
