"""Far-microphone subtraction: a naive twin, the gain that theory gives, and files of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asdkit import audio
from asdkit.audio.far_subtraction import FLOOR, HOP, N_FFT, FarSubtraction
from asdkit.audio.pcm import PcmFormat
from asdkit.bundle.byte_stream import require_channel
from asdkit.errors import BadAudio, UsageError

RATE = 16000


def naive(near, far):
    """Frame by frame in double precision, with the equation as it is written."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    length = len(near)
    pad = (HOP, 2 * N_FFT)
    near, far = np.pad(np.float64(near), pad), np.pad(np.float64(far), pad)
    starts = range(0, length + HOP, HOP)
    spectra = [(np.fft.rfft(near[t : t + N_FFT] * window), np.fft.rfft(far[t : t + N_FFT] * window)) for t in starts]
    cross = sum(c * f.conj() for c, f in spectra)
    power = sum(abs(f) ** 2 for _, f in spectra)
    response = cross / (power + FLOOR)
    out = np.zeros(len(near))
    for t, (c, f) in zip(starts, spectra, strict=True):
        out[t : t + N_FFT] += np.fft.irfft(c - response * f)
    return out[HOP : HOP + length]


def subtracted(frames, block=None):
    step = block or len(frames)
    blocks = [frames[i : i + step] for i in range(0, len(frames), step)]
    subtraction = FarSubtraction()
    for part in blocks:
        subtraction.learn(part)
    return np.concatenate([*(subtraction.subtract(part) for part in blocks), subtraction.finish()])


def pair(seconds, signal_db, rest_db, seed=0):
    """Near and far microphone [float32], and the parts of the near one: signal, predictable noise, other noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=round(seconds * RATE))
    path = np.array([0, 0, 0.7, 0.3, -0.2, 0.1])  # from the far microphone to the near one
    heard = np.convolve(noise, path)[: len(noise)]
    signal = 10 ** (signal_db / 20) * heard.std() * rng.normal(size=len(noise))
    rest = 10 ** (rest_db / 20) * heard.std() * rng.normal(size=len(noise))
    return np.stack([signal + heard + rest, noise], axis=1), signal, heard, rest


@given(length=st.integers(1, 5000), block=st.integers(1, 3000), seed=st.integers(0, 99), whole=st.booleans())
def test_any_blocks_give_what_the_equation_gives(length, block, seed, whole):
    rng = np.random.default_rng(seed)
    frames = rng.normal(0, 0.1, (length, 2)) @ np.array([[1, 0], [0.5, 1]])
    frames = np.int16(frames * 32768 / 4) if whole else frames.astype(np.float32)
    scaled = frames / 32768 if whole else frames
    wave = subtracted(frames, block)
    assert wave.dtype == np.float32
    np.testing.assert_allclose(wave, naive(*scaled.T), atol=2e-6)


@pytest.mark.parametrize(("signal_db", "rest_db"), [(0, -15), (-10, -10), (0, -25)])
def test_the_gain_is_that_of_theory(signal_db, rest_db):
    """Noise N that the far microphone predicts, and noise U that it does not: the gain is (N + U) / (U + E), where E is
    the error of the estimated factors, (S + U) over the number of independent frames."""
    frames, signal, heard, rest = pair(30, signal_db, rest_db)
    wave = subtracted(frames.astype(np.float32))
    residue = wave - signal  # what is left of the noise, the error of the estimate included
    gain = (heard + rest).var() / residue.var()
    independent = 30 * RATE / HOP / 1.0556  # of half overlapping Hann frames: (1 + 2 r^2), r = 1 / 6
    theory = (heard.var() + rest.var()) / (rest.var() + (signal.var() + rest.var()) / independent)
    assert 10 * np.log10(gain) == pytest.approx(10 * np.log10(theory), abs=1)


def test_a_silent_far_microphone_changes_nothing():
    rng = np.random.default_rng(0)
    near = rng.normal(0, 0.1, 20000).astype(np.float32)
    wave = subtracted(np.stack([near, np.zeros_like(near)], axis=1))
    np.testing.assert_allclose(wave, near, atol=1e-6)


def test_units_have_no_full_scale():
    """Recordings in Pa or mg stay as they are, however large."""
    frames, *_ = pair(1, 0, -20)
    large = subtracted((1e5 * frames).astype(np.float32))
    np.testing.assert_allclose(large, 1e5 * subtracted(frames.astype(np.float32)), rtol=1e-3, atol=2)


@pytest.mark.parametrize(("subtype", "suffix"), [("PCM_16", "wav"), ("FLOAT", "wav"), ("PCM_24", "flac")])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_recordings_are_read_so(tmp_path, subtype, suffix, rate):
    frames, *_ = pair(2, 0, -20)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, 0.05 * frames, RATE, subtype=subtype)
    wave = audio.read(path, sample_rate=rate, channel="far-subtract")
    stored, _ = soundfile.read(path, dtype="float32")
    expected = audio.resample(np.float32(naive(*stored.T)), RATE, rate) if rate != RATE else naive(*stored.T)
    assert len(wave) == audio.samples_at(audio.inspect(path), rate)
    np.testing.assert_allclose(wave, expected, atol=1e-4)
    assert audio.check(path, channel="far-subtract").channels == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_other_numbers_of_channels_are_refused(tmp_path, channels):
    soundfile.write(tmp_path / "a.wav", np.zeros((100, channels)), RATE)
    with pytest.raises(BadAudio, match="far-subtract needs two, near and far"):
        audio.read(tmp_path / "a.wav", sample_rate=RATE, channel="far-subtract")


def test_a_stream_is_refused():
    with pytest.raises(UsageError, match="a stream cannot be scored so"):
        require_channel("--channels", PcmFormat(RATE, 2, "s16le"), "far-subtract")


def test_a_nan_in_the_far_microphone_is_named(tmp_path):
    frames = np.zeros((5000, 2), np.float32)
    frames[4000, 1] = np.nan
    soundfile.write(tmp_path / "a.wav", frames, RATE, subtype="FLOAT")
    with pytest.raises(BadAudio, match="sample 4000 is nan"):
        audio.read(tmp_path / "a.wav", sample_rate=RATE, channel="far-subtract")
