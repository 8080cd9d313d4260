"""Explained clips: heat maps, players, nearest excerpts, and the reasons where there are none."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asdkit.audio import CANCELLED
from asdkit.bundle import Bundle
from asdkit.bundle.explained import frequencies_of
from asdkit.bundle.explained_page import make_article
from asdkit.drawing.sound import MAX_SECONDS, audio_uri, player_part
from asdkit.explain import Explanation, Grid
from asdkit.kernels.mel import mel_edges
from asdkit.report import write_report
from asdkit.report.explained_clips import choose_clips, explain_clips
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import edit_settings
from tests.helpers.pages import EVIL, Page
from tests.helpers.planted import BEGIN, LENGTH, PITCH, RATE, SECONDS, make_run, write_clip


def explain_burst(folder):
    """Explain the clip with the burst, which is the worst of the anomalous ones."""
    (burst,) = [e for e in explain_clips(read_run(folder))[0] if e.chosen.ranked.clip.endswith(f"{EVIL}.wav")]
    return burst.explained


@pytest.fixture(scope="session")
def burst(planted):
    return explain_burst(planted)


@pytest.fixture
def coarse(monkeypatch):
    """Make heat maps of few cells, for tests that do not look at them."""
    monkeypatch.setattr("asdkit.bundle.explained.GRID", Grid(2, 2))


@pytest.fixture
def copied(planted, tmp_path):
    """A copy of the planted run, recordings included."""
    shutil.copytree(planted.parent, tmp_path / "copy", symlinks=True)
    run = tmp_path / "copy" / "run"
    edit_settings(run, str(planted.parent), str(run.parent))
    return run


def test_burst_is_the_hottest_and_worst_place(burst):
    time, band = np.unravel_index(burst.heat.argmax(), burst.heat.shape)
    seconds = np.array([time, time + 1]) / burst.heat.shape[0] * SECONDS
    assert seconds[0] < BEGIN + LENGTH
    assert seconds[1] > BEGIN
    assert abs(burst.worst - (BEGIN + LENGTH / 2)) < 0.2
    # mel bands of 8 kHz audio: 64 up to 4 kHz; band of the pitch on Slaney's scale
    edges = mel_edges(64, 0.0, RATE / 2, False)
    pitch_band = np.searchsorted(edges, PITCH) - 1
    assert abs(band * 64 / burst.heat.shape[1] + 2 - pitch_band) <= 4
    assert burst.verdict.p_value < 0.2
    assert burst.nearest.clip.startswith("fan/train/")


def test_a_clip_that_says_nothing_is_undecided(planted, coarse, monkeypatch):
    decode = Bundle.decode
    monkeypatch.setattr(Bundle, "decode", lambda self, path: replace(decode(self, path), cancels=True))
    for clip in explain_clips(read_run(planted))[0]:
        assert clip.p_value is None
        assert clip.explained.remark == f"Undecided: {CANCELLED}."


def test_worst_time_is_that_of_the_verdict(planted, coarse):
    run = read_run(planted)
    bundle = Bundle.of_run(planted, "both")
    explained, _ = explain_clips(run)
    assert explained
    for clip in explained:
        (verdict,) = bundle.score_waves([clip.explained.wave], [clip.chosen.ranked.id])
        assert clip.explained.worst == verdict.worst_seconds


def test_spectrogram_has_frequencies_and_the_burst_its_own(burst):
    # the hottest cell is 4 of 64 mel bands high, about 300 Hz there
    assert abs(burst.worst_frequency - PITCH) < 300
    svg = make_article(burst).drawings["clip"].svg.decode()
    assert ">frequency, kHz<" in svg
    assert ">2<" in svg


def test_spectrogram_without_frequencies_counts_bands(planted, coarse, monkeypatch):
    monkeypatch.delattr("asdkit_logmel.featurizer.LogMel.frequencies")
    unknown = explain_burst(planted)
    assert unknown.worst_frequency is None
    assert "band, low to high" in make_article(unknown).drawings["clip"].svg.decode()


class TwoBands:
    """A featurizer of two bands with any frequencies."""

    bands = 2

    def __init__(self, frequencies):
        self.frequencies = frequencies


@pytest.mark.parametrize(
    "frequencies",
    [lambda r: [r, 2 * r, 3 * r], lambda r: [r, 0], lambda r: ["x", "y"], lambda r: [r, np.nan], lambda r: 1 / 0],
)
def test_invalid_frequencies_are_ignored(frequencies):
    assert frequencies_of(TwoBands(frequencies), 8000) is None


def test_valid_frequencies_are_taken():
    assert frequencies_of(TwoBands(lambda r: [r / 8, r / 4]), 8000).tolist() == [1000, 2000]


def test_clip_without_heat_says_so(planted, monkeypatch):
    cold = Explanation(1.0, -np.ones((16, 16)), (np.ones(3),))
    monkeypatch.setattr("asdkit.bundle.explained.explain_clip", lambda *args, **options: cold)
    burst = explain_burst(planted)
    assert burst.remark == "The heat map is empty: no replaced part lowers the score."
    assert burst.worst == burst.score_over_time.seconds[burst.score_over_time.scores.argmax()]
    assert burst.worst_frequency is None


def test_page_shows_explained_clips_with_sound(planted):
    page = Page(write_report(planted))
    assert page.shown.count("what raised the score of") == 1
    assert f"{EVIL}.wav" in page.shown
    assert "around 2.3 kHz" in page.shown
    assert "p-value at most 0.17, the lowest that the held-out clips support" in page.shown
    assert not [attrs for tag, attrs in page.elements if tag in ("img", "script") or "onerror" in attrs]
    sounds = [attrs for tag, attrs in page.elements if tag == "audio"]
    assert len(sounds) == 3
    assert all(a["src"].startswith(("data:audio/mpeg;base64,", "data:audio/wav;base64,")) for a in sounds)
    links = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href") and value]
    assert all(value.startswith(("data:", "#")) for value in links)
    assert not re.search(r"https?://", re.sub(r'xmlns="[^"]*"', "", page.text))
    plots = [p.name for p in (planted / "plots" / "fan").iterdir()]
    assert sum(name.startswith("clip_") for name in plots) == sum(name.startswith("nearest_") for name in plots) == 6


def test_explained_clips_of_the_same_run_are_the_same(planted, coarse, blank_drawings):
    first = write_report(planted).read_bytes()
    assert write_report(planted).read_bytes() == first


def test_missing_and_changed_recordings_are_listed(copied, coarse, blank_drawings):
    test = copied.parent / "room" / "fan" / "test"
    (test / "anomaly" / f"{EVIL}.wav").unlink()
    worst_normal = next(c for c in choose_clips(read_run(copied)) if "false alarm" in c.reason).ranked.clip
    write_clip(copied.parent / "room" / worst_normal, 999)
    page = Page(write_report(copied))
    assert f"{EVIL}.wav: the recording is no longer at" in page.shown
    assert f"{worst_normal}: the recording has changed since it was scored" in page.shown
    assert sum(tag == "audio" for tag, _ in page.elements) == 1
    shutil.rmtree(copied.parent / "room")
    page = Page(write_report(copied))
    assert not [tag for tag, _ in page.elements if tag == "audio"]
    assert "Explained clips" not in page.shown


def test_run_without_jobs_has_a_report(copied, blank_drawings):
    shutil.rmtree(copied / "jobs")
    page = Page(write_report(copied))
    assert "worst clips of fan" in page.shown
    assert "this job is not done" in page.shown


def test_training_clips_have_no_heat_map_or_p_value(tmp_path, blank_drawings):
    run = make_run(tmp_path, tests=False, held_out=0.0)
    explained, left_out = explain_clips(read_run(run))
    assert len(explained) == 3
    assert not left_out
    assert all(e.explained.heat is None and e.p_value is None for e in explained)
    assert all(e.explained.nearest.clip != e.chosen.ranked.clip for e in explained)
    assert "the detectors were trained on this clip" in Page(write_report(run)).shown


def test_first_heat_map_is_made_beyond_the_budget(planted, coarse, monkeypatch):
    monkeypatch.setattr("asdkit.report.explained_clips.BUDGET", 0.0)
    explained, _ = explain_clips(read_run(planted))
    assert [e.explained.heat is not None for e in explained] == [True, False, False]
    assert "may take 0 s in all" in explained[1].explained.remark


def test_player_gets_a_bounded_part_around_the_worst():
    rate = 8000
    assert player_part(rate, rate, 0.5) == (0, rate)
    first, end = player_part(100 * rate, rate, 50)
    assert (end - first) / rate == MAX_SECONDS
    assert first < 50 * rate < end
    assert player_part(100 * rate, rate, 99)[1] == 100 * rate
    assert player_part(100 * rate, rate, 0)[0] == 0


@pytest.mark.parametrize("rate", [1000, 8000, 16000, 96000])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_sound_is_playable_and_keeps_its_length(rate, dtype):
    wave = np.sin(2 * np.pi * 200 * np.arange(2 * rate) / rate)
    uri = audio_uri((wave * 32767).astype(dtype) if dtype == "int16" else wave.astype(dtype), rate)
    assert len(uri) < 120_000
    sound, decoded_rate = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert len(sound) / decoded_rate == pytest.approx(2, abs=0.2)
    assert 0.4 < np.abs(sound).max() < 0.6
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.fft.rfftfreq(len(sound), 1 / decoded_rate)[spectrum.argmax()] == pytest.approx(200, abs=2)


def test_silence_can_be_played():
    assert audio_uri(np.zeros(8000, np.float32), 8000).startswith("data:audio/")
