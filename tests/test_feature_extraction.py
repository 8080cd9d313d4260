"""Extracting packed features: order, errors, memory."""

import threading
import time
import weakref

import numpy as np
import pytest
from asdkit_logmel.config import LogMelConfig
from asdkit_logmel.featurizer import LogMel
from asdkit_spectrum.config import SpectrumConfig
from asdkit_spectrum.featurizer import Spectrum
from hypothesis import given
from hypothesis import strategies as st

from asdkit import feature_extraction
from asdkit.errors import DataError, Stopped
from asdkit.feature_extraction import WaveSource, fill_features
from asdkit.kernels import band_spectrum, log_mel
from asdkit.kernels.framing import FFT_SIZES
from asdkit.mapped import is_mapped

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
def test_clips_keep_their_order_with_any_threads(featurizer, threads):
    def slow_at_first(i):
        time.sleep(0.02 if i % 5 == 0 else 0)
        return wave(i)

    features = fill_features(featurizer, sources(23, slow_at_first), RATE, threads=threads)
    assert features.clips == 23
    assert features.scale == "db"
    for i in range(23):
        np.testing.assert_array_equal(features.clip(i), log_mel(wave(i), n_mels=32))


def test_spectra_have_a_frame_for_every_clip():
    """Clips shorter than a frame of 4096 samples have one; longer ones a frame each 2048 samples, without padding."""
    spectrum = Spectrum(SpectrumConfig(n_fft=4096, n_bands=24))
    lengths = [0, 100, 4096, 6143, 6144, 9000]
    waves = [np.resize(wave(0), n) for n in lengths]
    features = fill_features(
        spectrum, [WaveSource(str(n), n, lambda w=w: w) for n, w in zip(lengths, waves, strict=True)], RATE
    )
    assert np.diff(features.offsets).tolist() == [1, 1, 1, 1, 2, 3]
    for i, samples in enumerate(waves):
        np.testing.assert_array_equal(features.clip(i), band_spectrum(samples, n_fft=4096, n_bands=24))


def test_memory_map_holds_the_same_features(featurizer, tmp_path):
    expected = fill_features(featurizer, sources(9), RATE)
    mapped = fill_features(featurizer, sources(9), RATE, threads=2, path=tmp_path / "frames")
    assert is_mapped(mapped.frames)
    np.testing.assert_array_equal(mapped.frames, expected.frames)
    np.testing.assert_array_equal(mapped.offsets, expected.offsets)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "frames", np.float32).reshape(-1, 32), expected.frames)


@given(
    n_fft=st.sampled_from([64, 100, 256]),
    hop=st.integers(1, 150),
    center=st.booleans(),
    samples=st.integers(256, 6000),
    part=st.integers(1, 3000),
)
def test_a_wave_in_parts_gives_the_same_features(n_fft, hop, center, samples, part):
    featurizer = LogMel(LogMelConfig(n_fft=n_fft, hop_length=hop, n_mels=16, center=center))
    sound = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    source = WaveSource("wave", samples, lambda: sound)
    whole = fill_features(featurizer, [source], RATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_extraction, "_PART_SAMPLES", part)
        parts = fill_features(featurizer, [source], RATE)
    if n_fft in FFT_SIZES:
        np.testing.assert_array_equal(parts.frames, whole.frames)
    else:  # matrix products may round in another order
        np.testing.assert_allclose(parts.frames, whole.frames, atol=1e-3)


def test_a_featurizer_without_hop_gets_a_wave_whole(monkeypatch):
    class Whole:
        bands, scale = 1, "db"

        def rows(self, n_samples):
            return 1

        def fill(self, wave, sample_rate, out):
            out[:] = len(wave)

    monkeypatch.setattr(feature_extraction, "_PART_SAMPLES", 100)
    assert fill_features(Whole(), sources(1), RATE).frames[0, 0] == 2000


def test_no_clips_give_no_rows(featurizer, tmp_path):
    for path in (None, tmp_path / "frames"):
        features = fill_features(featurizer, [], RATE, path=path)
        assert features.clips == 0
        assert features.frames.shape == (0, 32)


def test_each_thread_holds_one_wave(featurizer):
    alive, most, lock = weakref.WeakSet(), 0, threading.Lock()

    class Counted(np.ndarray):
        __hash__ = object.__hash__

        def __eq__(self, other):  # a set distinguishes its members by identity
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


@pytest.mark.parametrize("threads", [1, 3])
def test_error_of_a_clip_is_raised(featurizer, threads):
    def read(i):
        if i == 7:
            raise OSError(f"clip {i} is gone")
        return wave(i)

    with pytest.raises(OSError, match="clip 7 is gone"):
        fill_features(featurizer, sources(20, read), RATE, threads=threads)


def test_unexpected_length_is_an_error_naming_the_clip(featurizer):
    shorter = sources(3, lambda i: wave(i)[:-1] if i == 1 else wave(i))
    with pytest.raises(DataError, match="clip 1: has 2299 samples, but 2300 were expected"):
        fill_features(featurizer, shorter, RATE)


def test_no_plugin_gets_samples_that_are_not_finite():
    def read(i):
        samples = wave(i).astype(np.float32)
        samples[1000] = np.nan if i == 2 else 0
        return samples

    with pytest.raises(DataError, match="clip 2: the wave holds numbers that are NaN or infinite"):
        fill_features(Hiding(), sources(4, read), RATE)


def test_frames_that_are_not_finite_are_an_error():
    with pytest.raises(DataError, match="clip 0: the featurizer returned frames that are NaN or infinite"):
        fill_features(Hiding(np.inf), sources(4), RATE)


class Hiding:
    """A featurizer that hides NaN among the samples, and returns a number of its own."""

    bands, scale = 1, "db"

    def __init__(self, number=0.0):
        self.number = number

    def rows(self, n_samples):
        return n_samples // 100

    def fill(self, wave, sample_rate, out):
        out[:] = self.number + 0 * np.nan_to_num(wave[0])


def test_interrupt_in_a_reader_is_raised(featurizer):
    def read(i):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_features(featurizer, sources(3, read), RATE)


def test_progress_ends_with_all_clips(featurizer):
    calls = []
    fill_features(featurizer, sources(12), RATE, threads=2, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (12, 12)
    assert calls == sorted(calls)


def test_should_stop_ends_all_threads(featurizer):
    clips_read = []

    def slow(i):
        clips_read.append(i)
        time.sleep(0.02)
        return wave(i)

    before = threading.active_count()
    with pytest.raises(Stopped):
        fill_features(featurizer, sources(500, slow), RATE, threads=2, should_stop=lambda: True)
    assert threading.active_count() == before
    assert len(clips_read) < 50
