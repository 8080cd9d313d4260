"""Filling packed features: order, errors, memory."""

import threading
import time
import weakref

import numpy as np
import pytest
from asdkit_logmel.config import LogMelConfig
from asdkit_logmel.featurizer import LogMel

from asdkit.errors import DataError, Stopped
from asdkit.feature_extraction import WaveSource, fill_features
from asdkit.kernels import log_mel

RATE = 16000


def wave(index):
    rng = np.random.default_rng(index)
    return (rng.standard_normal(2000 + 300 * (index % 7)) * 3000).astype(np.int16)


def sources(count, read=wave):
    return [WaveSource(f"clip {i}", len(wave(i)), lambda i=i: read(i)) for i in range(count)]


@pytest.fixture
def featurizer():
    return LogMel(LogMelConfig(n_mels=32))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_clips_keep_their_order_whatever_the_threads(featurizer, threads):
    def slow_at_first(i):
        time.sleep(0.02 if i % 5 == 0 else 0)
        return wave(i)

    features = fill_features(featurizer, sources(23, slow_at_first), RATE, threads=threads)
    assert features.clips == 23
    assert features.scale == "db"
    for i in range(23):
        np.testing.assert_array_equal(features.clip(i), log_mel(wave(i), n_mels=32))


def test_a_memory_map_holds_the_same(featurizer, tmp_path):
    expected = fill_features(featurizer, sources(9), RATE)
    mapped = fill_features(featurizer, sources(9), RATE, threads=2, path=tmp_path / "frames")
    assert isinstance(mapped.frames, np.memmap)
    np.testing.assert_array_equal(mapped.frames, expected.frames)
    np.testing.assert_array_equal(mapped.offsets, expected.offsets)
    mapped.frames.flush()
    np.testing.assert_array_equal(np.fromfile(tmp_path / "frames", np.float32).reshape(-1, 32), expected.frames)


def test_no_clips_make_no_rows(featurizer, tmp_path):
    for path in (None, tmp_path / "frames"):
        features = fill_features(featurizer, [], RATE, path=path)
        assert features.clips == 0
        assert features.frames.shape == (0, 32)


def test_no_more_waves_are_held_than_there_are_threads(featurizer):
    alive, most, lock = weakref.WeakSet(), 0, threading.Lock()

    class Counted(np.ndarray):
        __hash__ = object.__hash__

        def __eq__(self, other):  # a set's members are told apart by identity
            return self is other

    def read(i):
        nonlocal most
        counted = wave(i).view(Counted)
        with lock:
            alive.add(counted)
            most = max(most, len(alive))
        return counted

    fill_features(featurizer, sources(50, read), RATE, threads=3)
    assert 1 <= most <= 3
    assert len(alive) == 0


def fails_at(*bad):
    def read(i):
        if i in bad:
            raise OSError(f"clip {i} is gone")
        return wave(i)

    return read


@pytest.mark.parametrize("threads", [1, 3])
def test_the_error_of_a_clip_is_raised(featurizer, threads):
    with pytest.raises(OSError, match="clip 7 is gone"):
        fill_features(featurizer, sources(20, fails_at(7)), RATE, threads=threads)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("bad", [(0,), (4, 5, 11), (19,), tuple(range(20))])
def test_clips_whose_error_is_taken_are_left_out(featurizer, threads, bad):
    errors = {}
    features = fill_features(
        featurizer, sources(20, fails_at(*bad)), RATE, threads=threads, on_error=errors.__setitem__
    )
    assert sorted(errors) == list(bad)
    kept = [i for i in range(20) if i not in bad]
    assert features.clips == len(kept)
    assert len(features.frames) == features.offsets[-1]
    for place, i in enumerate(kept):
        np.testing.assert_array_equal(features.clip(place), log_mel(wave(i), n_mels=32))


def test_a_wave_of_another_length_is_an_error_that_names_the_clip(featurizer):
    shorter = sources(3, lambda i: wave(i)[:-1] if i == 1 else wave(i))
    with pytest.raises(DataError, match="clip 1: has 2299 samples, but 2300 were expected"):
        fill_features(featurizer, shorter, RATE)


def test_an_interrupt_in_a_reader_is_never_taken_for_a_bad_clip(featurizer):
    def read(i):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_features(featurizer, sources(3, read), RATE, on_error=lambda index, error: None)


def test_progress_ends_with_all_clips(featurizer):
    seen = []
    fill_features(featurizer, sources(12), RATE, threads=2, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)
    assert seen == sorted(seen)


def test_a_wish_to_stop_is_heeded_and_no_thread_is_left(featurizer):
    read = []

    def slow(i):
        read.append(i)
        time.sleep(0.02)
        return wave(i)

    before = threading.active_count()
    with pytest.raises(Stopped):
        fill_features(featurizer, sources(500, slow), RATE, threads=2, should_stop=lambda: True)
    assert threading.active_count() == before
    assert len(read) < 50
