"""Copying windows into batches, and sampling windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.kernels import draw, gather
from tests.kernels import naive

STATS = {"mean": np.zeros(40, np.float32), "scale": np.ones(40, np.float32)}


def matrix(rows=300, bands=40, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, bands)).astype(np.float32)


@settings(deadline=None)  # the first example compiles
@given(
    bands=st.integers(1, 150),
    length=st.integers(1, 70),
    starts=st.lists(st.integers(0, 30), max_size=6),
    means=st.none() | st.integers(0, 3),
)
def test_windows_are_rows_of_the_matrix(bands, length, starts, means):
    frames = matrix(100, bands)
    mean, scale = (None, None) if means is None else matrix(2, bands, 1)
    groups = np.arange(len(starts)) % means if means else None
    if means:
        mean = matrix(means, bands, 2)
    out = np.full((len(starts) + 1, length, bands), 7, np.float32)
    windows = gather(frames, np.array(starts, np.int64), length, out, mean, scale, groups)
    assert windows.base is out
    assert np.all(out[len(starts) :] == 7)
    if starts:
        expected = naive.gather(frames, starts, length, mean, scale, groups)
        np.testing.assert_allclose(windows, expected, rtol=1e-5, atol=1e-6)


def test_plain_windows_are_exact_copies_with_nan():
    frames = matrix()
    frames[10, 3] = np.nan
    windows = gather(frames, np.array([8]), 5, np.empty((1, 5, 40), np.float32))
    np.testing.assert_array_equal(windows[0], frames[8:13])


@pytest.mark.parametrize("mode", ["w+", "r"])
def test_memory_map_is_gathered_too(tmp_path, mode):
    matrix().tofile(tmp_path / "frames")
    written = np.memmap(tmp_path / "frames", np.float32, "r+", shape=(300, 40))
    frames = written if mode == "w+" else np.memmap(tmp_path / "frames", np.float32, "r", shape=(300, 40))
    windows = gather(frames, np.array([5, 100]), 8, np.empty((2, 8, 40), np.float32))
    np.testing.assert_array_equal(windows, naive.gather(matrix(), [5, 100], 8).astype(np.float32))


@pytest.mark.parametrize("start", [-1, 237, 10**12])
@pytest.mark.parametrize("standardize", [False, True])
def test_window_outside_the_matrix_is_an_error(start, standardize):
    stats = (np.zeros(40, np.float32), np.ones(40, np.float32)) if standardize else (None, None)
    with pytest.raises(IndexError, match="window 1 is rows"):
        gather(matrix(), np.array([236, start]), 64, np.empty((2, 64, 40), np.float32), *stats)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": np.empty((1, 64, 40), np.float32)}, "out has shape"),
        ({"out": np.empty((2, 63, 40), np.float32)}, "out has shape"),
        ({"out": np.empty((2, 64, 40))}, "out must be"),
        ({"frames": matrix().astype(np.float64)}, "frames must be"),
        ({"frames": matrix(300, 80)[:, ::2]}, "frames must be"),
        ({"mean": np.zeros(40, np.float32)}, "both"),
        ({"mean": np.zeros(40, np.float32), "scale": np.zeros(39, np.float32)}, "shape"),
        ({**STATS, "mean": np.zeros((2, 40), np.float32)}, "shape"),
        ({**STATS, "mean": np.zeros((2, 40), np.float32), "groups": np.zeros(3, np.int64)}, "groups must be"),
    ],
)
def test_shapes_that_do_not_match_are_errors(change, message):
    arguments = {"frames": matrix(), "starts": np.array([0, 1]), "length": 64, "out": np.empty((2, 64, 40), np.float32)}
    with pytest.raises(ValueError, match=message):
        gather(**(arguments | change))


@pytest.mark.parametrize("group", [-1, 2])
def test_group_without_a_mean_is_an_error(group):
    means, scale = np.zeros((2, 40), np.float32), np.ones(40, np.float32)
    with pytest.raises(IndexError, match="groups must be 0 to 1"):
        gather(matrix(), np.array([0, 1]), 8, np.empty((2, 8, 40), np.float32), means, scale, np.array([0, group]))


@settings(deadline=None)  # the first example compiles
@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    first=st.integers(0, 5),
    per_clip=st.none() | st.integers(1, 15),
    seed=st.integers(0, 2**32),
)
def test_sample_is_distinct_and_per_clip(counts, first, per_clip, seed):
    offsets = first + np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    sample = draw(offsets, np.random.default_rng(seed), per_clip)
    assert sample.dtype == np.int64
    assert len(set(sample.tolist())) == len(sample)
    windows = np.histogram(sample, bins=np.unique(offsets))[0] if len(sample) else np.zeros(0, np.int64)
    expected = [c if per_clip is None else min(c, per_clip) for c in counts]
    assert windows.tolist() == [n for n in expected if n] if len(sample) else not any(expected)
    np.testing.assert_array_equal(sample, draw(offsets, np.random.default_rng(seed), per_clip))


def test_windows_and_orders_are_equally_likely():
    # Two of five windows in order: 20 outcomes; chi-square with 19 degrees of freedom stays below 43.8 with
    # probability 0.999.
    rng = np.random.default_rng(1)
    outcomes = {}
    for _ in range(20000):
        pair = tuple(draw(np.array([0, 5]), rng, 2).tolist())
        outcomes[pair] = outcomes.get(pair, 0) + 1
    assert len(outcomes) == 20
    assert sum((n - 1000) ** 2 / 1000 for n in outcomes.values()) < 43.8


def test_sample_mixes_clips():
    sample = draw(np.arange(0, 1001, 10), np.random.default_rng(0), 2)
    assert np.corrcoef(np.arange(len(sample)), sample)[0, 1] < 0.2


def test_per_clip_of_zero_is_an_error():
    with pytest.raises(ValueError, match="per_clip"):
        draw(np.array([0, 5]), np.random.default_rng(0), 0)


@pytest.mark.parametrize("start", [2**63 - 1, 2**62, -1, 97])
def test_any_start_outside_the_matrix_is_an_error(start):
    frames, out = np.ones((100, 8), np.float32), np.zeros((1, 4, 8), np.float32)
    with pytest.raises(IndexError):
        gather(frames, np.array([start]), 4, out)


def test_unusable_arrays_are_errors():
    frames, out = np.ones((100, 8), np.float32), np.zeros((1, 4, 8), np.float32)
    starts = np.array([0])
    with pytest.raises(ValueError, match="writable"):
        gather(frames, starts, 4, np.frombuffer(bytes(out.nbytes), np.float32).reshape(out.shape))
    with pytest.raises(ValueError, match="2-d"):
        gather(np.ones((100, 8, 0), np.float32), starts, 4, out)
    with pytest.raises(ValueError, match="int64"):
        gather(frames, starts.astype(np.uint64), 4, out)


def test_decreasing_offsets_are_an_error():
    with pytest.raises(ValueError, match="decrease"):
        draw(np.array([0, 100, 0, 100]), np.random.default_rng(0), 100)
