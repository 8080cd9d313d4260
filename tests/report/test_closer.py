"""The closer look at worst clips: heat maps, sounds, thresholds, and what is said where there are none."""

from __future__ import annotations

import base64
import io
import re
import shutil
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from asdkit.bundle import Bundle, CalibrationScores
from asdkit.explain import Explanation
from asdkit.kernels.mel import mel_edges
from asdkit.report import write_report
from asdkit.report.cautions import thresholds
from asdkit.report.clip_plots import axis_of, draw_clip
from asdkit.report.clip_sections import MAX_SECONDS, data_uri, excerpt
from asdkit.report.explain import choose, explain_worst, frequencies_of
from asdkit.report.rankings import disagreements, unusual_training_clips
from asdkit.report.run_data import Run, read_run
from tests.helpers.made_runs import clips, write_run
from tests.helpers.pages import Page
from tests.helpers.planted import BEGIN, LENGTH, PITCH, RATE, SECONDS, make_run, write_clip

EVIL = "<img src=x onerror=alert(1)>.wav"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with a planted burst under a hostile name."""
    return make_run(tmp_path_factory.mktemp("planted"), name=EVIL)


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch):
    """Which clips get a heat map must not depend on what else this machine does."""
    monkeypatch.setattr("asdkit.report.explain.BUDGET", 600.0)


@pytest.fixture
def planted(made, tmp_path):
    """A copy of it, recordings included."""
    shutil.copytree(made.parent, tmp_path / "copy", symlinks=True)
    run = tmp_path / "copy" / "run"
    text = (run / "settings.json").read_text()
    (run / "settings.json").write_text(text.replace(str(made.parent), str(run.parent)))
    return run


def burst(run: Run):
    (found,) = [e for e in explain_worst(run)[0] if e.chosen.heard.clip.endswith(EVIL)]
    return found


def test_the_planted_burst_is_the_hottest_place_and_the_worst_time(made):
    found = burst(read_run(made))
    time, band = np.unravel_index(found.heat.argmax(), found.heat.shape)
    seconds = np.array([time, time + 1]) / found.heat.shape[0] * SECONDS
    assert seconds[0] < BEGIN + LENGTH
    assert seconds[1] > BEGIN
    assert abs(found.worst - (BEGIN + LENGTH / 2)) < 0.2
    # mel bands of 8 kHz audio: 64 up to 4 kHz; band of the pitch on Slaney's scale
    edges = mel_edges(64, 0.0, RATE / 2, False)
    place = np.searchsorted(edges, PITCH) - 1
    assert abs(band * 64 / found.heat.shape[1] + 2 - place) <= 4
    assert found.p_value < 0.2
    assert found.nearest.clip.startswith("fan/train/")


def test_the_axis_of_a_picture_is_in_khz_and_the_hottest_place_has_a_frequency(made, monkeypatch):
    found = burst(read_run(made))
    # the hottest cell is 4 of 64 mel bands high, about 300 Hz there
    assert abs(found.worst_frequency - PITCH) < 300
    svg = draw_clip(found).svg.decode()
    assert ">frequency, kHz<" in svg
    assert ">2<" in svg
    assert "around 2.3 kHz" in Page(write_report(made)).shown
    monkeypatch.delattr("asdkit_logmel.featurizer.LogMel.frequencies")
    unknown = burst(read_run(made))
    assert unknown.worst_frequency is None
    assert "band, low to high" in draw_clip(unknown).svg.decode()


def test_a_mark_stands_at_the_band_of_its_frequency():
    frequencies = mel_edges(64, 0.0, 8000.0, False)[1:-1]
    axis = axis_of(frequencies)
    assert axis.label == "frequency, kHz"
    assert axis.marks[:3] == ["4", "2", "1"]
    for place, mark in zip(axis.places, axis.marks, strict=True):
        below = int(place - 0.5)
        assert frequencies[below] <= 1000 * float(mark) <= frequencies[below + 1]
    assert min(a - b for a, b in pairwise(axis.places)) >= 0.1 * 64


@pytest.mark.parametrize(
    ("frequencies", "label", "marks"),
    [
        ([3100.0, 3200.0, 3300.0], "frequency, kHz", ["3.1", "3.2", "3.3"]),  # no octave of 1 kHz among them
        ([440.0], "frequency, Hz", ["440"]),
        ([100.0, 200.0, 300.0, 400.0, 500.0], "frequency, Hz", ["500", "250", "125"]),
    ],
)
def test_bands_of_every_kind_have_marks(frequencies, label, marks):
    axis = axis_of(np.array(frequencies))
    assert (axis.label, axis.marks) == (label, marks)


class Tuned:
    """A featurizer of two bands that says of them what it is told to say."""

    bands = 2

    def __init__(self, said):
        self.said = said

    def frequencies(self, sample_rate):
        return self.said(sample_rate)


@pytest.mark.parametrize(
    "said",
    [lambda r: [r, 2 * r, 3 * r], lambda r: [r, 0], lambda r: ["x", "y"], lambda r: [r, np.nan], lambda r: 1 / 0],
)
def test_frequencies_that_cannot_be_right_are_not_taken(said):
    assert frequencies_of(Tuned(said), 8000) is None
    assert frequencies_of(Tuned(lambda r: [r / 8, r / 4]), 8000).tolist() == [1000, 2000]


def test_a_clip_without_a_hot_place_says_so(made, monkeypatch):
    monkeypatch.setattr(
        "asdkit.report.explain.explain_clip", lambda *a: Explanation(1.0, -np.ones((16, 16)), (np.ones(3),))
    )
    found = burst(read_run(made))
    assert found.remark == "Nothing is hot: no part lowers the score where it is replaced."
    assert found.worst == found.heard.seconds[found.heard.scores.argmax()]
    assert found.worst_frequency is None


def test_the_page_shows_the_worst_clips_with_sound_and_pictures_and_names_as_text(made):
    page = Page(write_report(made))
    assert page.shown.count("what raised the score of") == 1
    assert EVIL in page.shown
    assert "p-value at most 0.17, the least that the clips held out can tell" in page.shown
    assert not [attrs for tag, attrs in page.elements if tag in ("img", "script") or "onerror" in attrs]
    sounds = [attrs for tag, attrs in page.elements if tag == "audio"]
    assert len(sounds) == 3
    assert all(a["src"].startswith(("data:audio/mpeg;base64,", "data:audio/wav;base64,")) for a in sounds)
    wanted = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href") and value]
    assert all(value.startswith(("data:", "#")) for value in wanted)
    assert not re.search(r"https?://", re.sub(r'xmlns="[^"]*"', "", page.text))
    plots = [p.name for p in (made / "plots" / "fan").iterdir()]
    assert sum(name.startswith("clip_") for name in plots) == sum(name.startswith("nearest_") for name in plots) == 6


def test_the_same_run_gives_the_same_page(made):
    first = write_report(made).read_bytes()
    assert write_report(made).read_bytes() == first


def test_recordings_that_are_gone_or_changed_are_told_and_the_rest_is_explained(planted):
    test = planted.parent / "room" / "fan" / "test"
    (test / "anomaly" / EVIL).unlink()
    worst_normal = next(c for c in choose(read_run(planted)) if "false alarm" in c.why).heard.clip
    write_clip(planted.parent / "room" / worst_normal, 999)
    page = Page(write_report(planted))
    assert f"{EVIL}: the recording is not at" in page.shown
    assert f"{worst_normal}: the recording is not the one that was scored any more" in page.shown
    assert sum(tag == "audio" for tag, _ in page.elements) == 1
    shutil.rmtree(planted.parent / "room")
    page = Page(write_report(planted))
    assert not [tag for tag, _ in page.elements if tag == "audio"]
    assert "A closer look" not in page.shown


def test_a_run_without_its_jobs_has_a_report_that_says_so(planted):
    shutil.rmtree(planted / "jobs")
    page = Page(write_report(planted))
    assert "worst clips of fan" in page.shown
    assert "this job is not done" in page.shown


def test_training_clips_alone_are_shown_without_a_heat_map_or_p_value(tmp_path):
    run = make_run(tmp_path, tests=False, held_out=0.0)
    explained, left_out = explain_worst(read_run(run))
    assert len(explained) == 3
    assert not left_out
    assert all(e.heat is None and e.p_value is None for e in explained)
    assert all(e.nearest.clip != e.chosen.heard.clip for e in explained)
    assert "detectors learnt from this clip" in Page(write_report(run)).shown


def test_heat_maps_end_when_their_time_is_up_but_one_is_always_made(made, monkeypatch):
    monkeypatch.setattr("asdkit.report.explain.BUDGET", 0.0)
    explained, _ = explain_worst(read_run(made))
    assert [e.heat is not None for e in explained] == [True, False, False]
    assert "may take 0 s in all" in explained[1].remark


def test_thresholds_are_where_the_verdicts_of_the_bundle_change(made):
    run = read_run(made)
    (found,) = thresholds(run, "fan", "both")
    judge = Bundle.of_run(made, "both").calibrator
    assert found.held_out == 5
    assert judge.decide(found.score, "00").anomalous is False
    assert judge.decide(np.nextafter(found.score, np.inf), "00").anomalous is True
    assert found.above[1] == (1, 1)
    assert found.above[0][1] == 3


@pytest.mark.parametrize(("rate", "limit"), [(0.1, 9.0), (0.2, 8.0), (0.25, 8.0), (0.05, None)])
def test_a_threshold_lies_where_the_conformal_p_value_first_exceeds_the_rate(tmp_path, rate, limit):
    references = {"fan": {"A": {"00": list(map(float, range(1, 10)))}}}
    folder = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {}, references=references)
    text = (folder / "settings.json").read_text()
    (folder / "settings.json").write_text(text.replace('"false_alarm_rate": 0.05', f'"false_alarm_rate": {rate}'))
    (found,) = thresholds(read_run(folder), "fan", "A")
    assert found.score == limit
    if limit is None:
        assert "no rate below 1 in 10" in found.shortfall
        assert "9 held out support 10 % and more; 5 % was asked" in Page(write_report(folder)).shown
    else:
        reference = CalibrationScores(np.arange(1.0, 10.0))
        assert reference.p_value(limit) > rate >= reference.p_value(limit + 1e-6)


def test_clips_held_out_are_a_group_of_their_own(tmp_path):
    rows = clips("fan", "00", train=6)
    held = [rows[0][0], rows[1][0]]
    folder = write_run(tmp_path / "run", rows, ["A"], {}, scores=lambda r, _: float(r[0][-5]), held_out={"fan": held})
    run = read_run(folder)
    assert run.tables["fan"].count("00", "held") == 2
    assert run.tables["fan"].count("00", "train") == 4
    odd = unusual_training_clips(run.tables["fan"], "A")
    # 0 and 1 held out: z of -1 and 1; 2 to 5 learnt from: of -1.34 to 1.34
    assert [(h.clip, split) for h, split in odd][:2] == [(rows[5][0], "train"), (held[1], "held")]
    assert odd[0][0].z == pytest.approx(1.5 / np.std([2, 3, 4, 5]))
    page = Page(write_report(folder))
    assert "held out of training" in page.shown
    assert "Held-out training clips, with the highest scores" in page.shown


def test_members_that_place_a_clip_apart_are_named(tmp_path):
    rows = clips("fan", "00", normal=5, anomaly=0)

    def score(row, name):
        place = int(row[0][-5])
        return float((place + 4) % 5 if name == "B" else place)  # B puts the first clip last

    run = read_run(write_run(tmp_path / "run", rows, scores=score))
    (found,) = disagreements(run, "fan")
    assert found.clip == "fan/test/normal_id_00_000.wav"
    assert found.places == [0.0, 100.0]


def test_a_player_gets_a_bounded_part_around_the_worst_place():
    rate = 8000
    assert excerpt(rate, rate, 0.5) == (0, rate)
    first, end = excerpt(100 * rate, rate, 50)
    assert (end - first) / rate == MAX_SECONDS
    assert first < 50 * rate < end
    assert excerpt(100 * rate, rate, 99)[1] == 100 * rate
    assert excerpt(100 * rate, rate, 0)[0] == 0


@pytest.mark.parametrize("rate", [1000, 8000, 16000, 96000])
@pytest.mark.parametrize("kind", ["float32", "int16"])
def test_a_sound_is_playable_and_as_long_as_it_was(rate, kind):
    wave = np.sin(2 * np.pi * 200 * np.arange(2 * rate) / rate)
    made = data_uri((wave * 32767).astype(kind) if kind == "int16" else wave.astype(kind), rate)
    assert len(made) < 120_000
    sound, heard = soundfile.read(io.BytesIO(base64.b64decode(made.partition(",")[2])))
    assert len(sound) / heard == pytest.approx(2, abs=0.2)
    assert 0.4 < np.abs(sound).max() < 0.6
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.fft.rfftfreq(len(sound), 1 / heard)[spectrum.argmax()] == pytest.approx(200, abs=2)


def test_silence_can_be_played():
    assert data_uri(np.zeros(8000, np.float32), 8000).startswith("data:audio/")
