"""Cautions on the page, and the threshold of each id."""

from __future__ import annotations

import numpy as np
import pytest

from asdkit.bundle import Bundle, CalibrationScores
from asdkit.report.cautions import cautions, thresholds
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import clips, write_run


def lines_of(folder):
    """Return the lines of all cautions of a run."""
    return "\n".join(line for caution in cautions(read_run(folder)) for line in caution.lines)


def test_few_clips_and_low_figures_are_cautioned(tmp_path):
    run = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {}, scores=lambda row, _: float(row[4] == "normal"))
    lines = lines_of(run)
    assert "A: its AUC is below 50 % (fan id 00)" in lines
    assert "one clip moves the AUC by up to 20.0 points" in lines
    assert "6 training clips, none held out: no false-alarm rate can be guaranteed (at best one of 1 in 7)" in lines
    assert "pairs; each" not in lines


def test_ties_between_classes_are_counted(tmp_path):
    run = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {}, scores=lambda row, _: float(row[0][-5]))
    # anomaly i ties with normal i only: 5 of 25 pairs
    assert "A on fan id 00: 5 of 25 pairs" in lines_of(run)


def test_run_of_one_clip_has_cautions(tmp_path):
    run = write_run(tmp_path / "run", clips("fan", "00", train=1, normal=0, anomaly=0))
    expected = "1 training clip, none held out: no false-alarm rate can be guaranteed (at best one of 1 in 2)"
    assert expected in lines_of(run)


def test_ids_without_training_clips_are_cautioned(tmp_path):
    run = write_run(tmp_path / "run", clips("fan", "00", train=0))
    assert "no training clips: their ids are unknown to the detectors (fan id 00)" in lines_of(run)


def test_run_with_enough_clips_has_no_cautions(tmp_path):
    rows = clips("fan", "00", train=99, normal=100, anomaly=100)
    assert cautions(read_run(write_run(tmp_path / "run", rows))) == []


def test_threshold_is_where_the_verdict_changes(planted):
    run = read_run(planted)
    (threshold,) = thresholds(run, "fan", "both")
    calibrator = Bundle.of_run(planted, "both").calibrator
    assert threshold.held_out == 5
    assert calibrator.decide(threshold.score, "00").anomalous is False
    assert calibrator.decide(np.nextafter(threshold.score, np.inf), "00").anomalous is True
    assert threshold.above[1] == (1, 1)
    assert threshold.above[0][1] == 3


@pytest.mark.parametrize(("rate", "limit"), [(0.1, 9.0), (0.2, 8.0), (0.25, 8.0), (0.05, None)])
def test_threshold_is_the_highest_score_within_the_rate(tmp_path, rate, limit):
    references = {"fan": {"A": {"00": list(map(float, range(1, 10)))}}}
    folder = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {}, references=references)
    text = (folder / "settings.json").read_text()
    (folder / "settings.json").write_text(text.replace('"false_alarm_rate": 0.05', f'"false_alarm_rate": {rate}'))
    (threshold,) = thresholds(read_run(folder), "fan", "A")
    assert threshold.score == limit
    if limit is None:
        assert "no rate below 1 in 10" in threshold.shortfall
        assert "9 held out: false-alarm rates of 10 % or more are supported; 5 % was requested" in lines_of(folder)
    else:
        calibration = CalibrationScores(np.arange(1.0, 10.0))
        assert calibration.p_value(limit) > rate >= calibration.p_value(limit + 1e-6)


def test_gamma_threshold_is_the_fitted_quantile(tmp_path):
    scores = [1.0, 2.0, 2.5, 3.0, 4.0, 7.0]
    folder = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {}, references={"fan": {"A": {"00": scores}}})
    text = (folder / "settings.json").read_text()
    (folder / "settings.json").write_text(text.replace('"conformal"', '"gamma"'))
    (threshold,) = thresholds(read_run(folder), "fan", "A")
    assert threshold.score == CalibrationScores(np.array(scores)).gamma_threshold(0.05)
    assert threshold.shortfall == ""
