"""Recordings that say nothing, or cannot be those of the machine: one rule for arrays, files and streams."""

from __future__ import annotations

import copy
import itertools
import time

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from asdkit import audio
from asdkit.audio.level import measure_level, spectral_flatness
from asdkit.audio.pcm import PcmFormat
from asdkit.bundle import Bundle
from asdkit.bundle.plausibility import WRONG_FORMAT, implausible, level_remarks
from asdkit.bundle.score_recordings import score_files
from asdkit.bundle.scoring_process import InProcess
from asdkit.bundle.stream import Listener, WindowResult
from asdkit.bundle.stream_sources import Sound
from asdkit.bundle.system import MAX_IDS_TRIED
from asdkit.bundle.watch import FolderWatch, watch
from asdkit.errors import DataError
from tests.helpers.rooms import RATE


def with_levels(bundle: Bundle, scale: float | None) -> Bundle:
    """The bundle as if its healthy recordings were this much louder; None: as if it had no record of their level."""
    recorded = bundle.description.recorded
    levels = {name: scale and getattr(recorded, name) * scale for name in ("quietest", "loudest", "peak")}
    changed = copy.copy(bundle)
    changed.description = bundle.description.model_copy(update={"recorded": recorded.model_copy(update=levels)})
    return changed


def windows_of(bundle: Bundle, sound: Sound) -> list[WindowResult]:
    return list(Listener(bundle, id_="00").score_stream([sound]))


@pytest.fixture(scope="session")
def normal(recordings) -> np.ndarray:
    """A healthy second, full scale 1."""
    return soundfile.read(recordings / "normal_id_00_00000002.wav", dtype="float32")[0]


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
@pytest.mark.parametrize("value", [0, 7])
def test_nothing_is_decided_on_silence(bundle, tmp_path, rate, value):
    silence = np.full(rate, value, np.int16)
    soundfile.write(tmp_path / "quiet_id_00.wav", np.zeros(rate), rate)
    verdicts = [
        bundle.score(silence, rate, "00"),
        bundle.score(silence, rate, "unknown"),
        bundle.score_waves([np.zeros(RATE, np.float32)], ["00"])[0],
        next(score_files(bundle, [str(tmp_path / "quiet_id_00.wav")])).verdict,
        next(watch(InProcess(bundle), FolderWatch(str(tmp_path), settle=0.05, existing=True), lambda: False)).verdict,
        windows_of(bundle, Sound(silence, rate))[0].verdict,
    ]
    for verdict in verdicts:
        assert (verdict.verdict, verdict.p_value, verdict.reason) == ("undecided", None, audio.SILENT)
        assert np.isfinite(verdict.score)


def test_nothing_is_decided_where_channels_cancel(bundle, normal, tmp_path):
    rng = np.random.default_rng(0)
    both = np.stack([normal, -normal], axis=1) + 0.002 * rng.normal(size=(len(normal), 2))
    soundfile.write(tmp_path / "balanced_id_00.wav", both, RATE)
    result = next(score_files(bundle, [str(tmp_path / "balanced_id_00.wav")]))
    samples = (both * 32767).astype("<i2").tobytes()
    pieces = [Sound(*_mixed(samples[at : at + 4000])) for at in range(0, len(samples), 4000)]
    (window,) = Listener(bundle, id_="00").score_stream(pieces)
    for verdict in (result.verdict, window.verdict):
        assert (verdict.verdict, verdict.p_value, verdict.reason) == ("undecided", None, audio.CANCELLED)
    assert audio.CANCELLED in window.notes


def _mixed(data: bytes) -> tuple[np.ndarray, int, bool]:
    wave, cancels = PcmFormat(RATE, 2).mix(data, "mean")
    return wave, RATE, cancels


@pytest.mark.parametrize("scale", [1.0, 20_000.0, None])
@pytest.mark.parametrize("times", [1.0, 6e3, 1e7])
def test_files_streams_and_arrays_have_one_limit(bundle, normal, tmp_path, scale, times):
    """Recordings may be in physical units, if the healthy ones were."""
    known = with_levels(bundle, scale)
    wave = np.float32(times) * normal
    highest = bundle.description.recorded.peak * (scale or 0)
    plausible = np.abs(wave).max() < 1e3 * max(1, highest)
    soundfile.write(tmp_path / "one_id_00.wav", wave, RATE, subtype="FLOAT")
    result = next(score_files(known, [str(tmp_path / "one_id_00.wav")]))
    (window,) = windows_of(known, Sound(wave, RATE))
    assert [r.verdict is not None for r in (result, window)] == [plausible, plausible]
    if plausible:
        assert result.verdict.score == window.verdict.score == known.score(wave, RATE, "00").score
    else:
        assert "where full scale is 1" in result.reason
        assert window.reason.startswith(result.reason)
        with pytest.raises(DataError, match="where full scale is 1"):
            known.score(wave, RATE, "00")


def test_a_bundle_knows_the_level_of_healthy_recordings(bundle, run):
    levels = [measure_level(audio.read(path, sample_rate=RATE)) for path in (run.parent / "room").rglob("train/*.wav")]
    recorded = bundle.description.recorded
    assert recorded.quietest == min(level.rms for level in levels)
    assert recorded.loudest == max(level.rms for level in levels)
    assert recorded.peak == max(level.peak for level in levels)


def encodings(wave: np.ndarray) -> dict[str, bytes]:
    wave = wave + np.random.default_rng(0).uniform(-1e-4, 1e-4, len(wave))  # more than 16 bits
    low = (wave * 2**23).round().astype("<i4")
    return {
        "s16le": (wave * 32768).round().astype("<i2").tobytes(),
        "s24le": low.view(np.uint8).reshape(-1, 4)[:, :3].tobytes(),
        "s24_32le": low.tobytes(),
        "s32le": (wave * 2**31).round().astype("<i4").tobytes(),
        "f32le": wave.astype("<f4").tobytes(),
    }


def test_a_wrong_sample_format_is_suspected(bundle, normal):
    """All pairs of formats but 16 of 32 bits, which keeps every second sample."""
    description = bundle.description
    for (name, data), other in itertools.product(encodings(normal).items(), encodings(normal)):
        pcm = PcmFormat(RATE, 1, other)
        wave = pcm.decode(data[: len(data) // pcm.block * pcm.block], "mean")
        told = implausible(description, wave) or "".join(level_remarks(description, wave))
        assert bool(told) == (name != other and (name, other) != ("s16le", "s32le")), (name, other, told)
        if (name, other) == ("s24_32le", "s24le"):
            assert told == WRONG_FORMAT
        if (name, other) == ("s24_32le", "s32le"):
            assert told.startswith("more than 30 dB quieter")


def test_a_wrong_sample_format_changes_no_verdict(bundle, normal):
    noise = np.random.default_rng(0).integers(-32768, 32767, RATE).astype(np.int16)
    (window,) = windows_of(bundle, Sound(noise, RATE))
    assert window.notes == (WRONG_FORMAT,)
    assert window.verdict.score == bundle.score(noise, RATE, "00").score
    assert level_remarks(with_levels(bundle, 20.0).description, noise) == []  # healthy recordings as loud
    assert level_remarks(with_levels(bundle, None).description, noise) == []


@given(arrays.arrays(np.float32, st.integers(1, 3000), elements=st.floats(-4, 4, width=32)))
def test_level_is_the_root_mean_square(wave):
    level = measure_level(wave)
    assert level.rms == pytest.approx(np.sqrt(np.mean(wave.astype(np.float64) ** 2)), rel=1e-9)
    assert level.peak == np.abs(wave).max()
    assert 0 <= spectral_flatness(wave) <= 1 + 1e-9


def test_white_noise_is_flat_and_a_tone_is_not():
    rng = np.random.default_rng(0)
    assert spectral_flatness(rng.normal(size=100_000).astype(np.float32)) > 0.98
    assert spectral_flatness(np.sin(np.arange(100_000) * 0.1).astype(np.float32)) < 0.05
    assert spectral_flatness(np.zeros(100_000, np.float32)) == 0


def test_unknown_ids_are_bounded(bundle, normal):
    many = copy.copy(bundle)
    many.ids = [*bundle.ids, *(f"x{i}" for i in range(MAX_IDS_TRIED))]
    begin = time.perf_counter()
    with pytest.raises(DataError, match="too many to score it as each of them"):
        many.score(normal, RATE, "unknown")
    assert many.score(normal, RATE, "00").score == bundle.score(normal, RATE, "00").score
    assert time.perf_counter() - begin < 60
