"""Ranked clips, and agreement of the members."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from asdkit.report import write_report
from asdkit.report.cautions import thresholds
from asdkit.report.explained_clips import explain_clips
from asdkit.report.rankings import agreement, disagreements, ranked_lists, unusual_training_clips
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import IDS, clips, write_run
from tests.helpers.pages import Page


def test_lists_begin_with_the_first_mistakes(tmp_path):
    base = {("train", "normal"): 0.0, ("test", "normal"): 10.0, ("test", "anomaly"): 20.0}
    folder = write_run(
        tmp_path / "run", clips("fan", "00"), ["A"], {}, scores=lambda r, _: base[r[3], r[4]] + int(r[0][-5])
    )
    lists = dict(ranked_lists(read_run(folder).tables["fan"], "A"))
    assert [h.score for h in lists["Normal, with the highest scores"]] == [14, 13, 12, 11, 10]
    assert [h.score for h in lists["Anomalous, with the lowest scores"]] == [20, 21, 22, 23, 24]
    train = np.arange(6.0)
    assert lists["Anomalous, with the lowest scores"][0].z == pytest.approx((20 - train.mean()) / train.std())


def test_held_out_clips_are_compared_with_each_other(tmp_path, blank_drawings):
    rows = clips("fan", "00", train=6)
    held = [rows[0][0], rows[1][0]]
    folder = write_run(tmp_path / "run", rows, ["A"], {}, scores=lambda r, _: float(r[0][-5]), held_out={"fan": held})
    run = read_run(folder)
    assert run.tables["fan"].count("00", "held") == 2
    assert run.tables["fan"].count("00", "train") == 4
    unusual = unusual_training_clips(run.tables["fan"], "A")
    # 0 and 1 held out: z of -1 and 1; 2 to 5 trained on: of -1.34 to 1.34
    assert [(ranked.clip, split) for ranked, split in unusual][:2] == [(rows[5][0], "train"), (held[1], "held")]
    assert unusual[0][0].z == pytest.approx(1.5 / np.std([2, 3, 4, 5]))
    page = Page(write_report(folder))
    assert "held out of training" in page.shown
    assert "Held-out training clips, with the highest scores" in page.shown


def test_held_out_clips_show_their_calibration_scores(planted):
    run = read_run(planted)
    table = run.tables["fan"]
    lists = dict(ranked_lists(table, "both"))
    shown = sorted(clip.score for clip in lists["Held-out training clips, with the highest scores"])
    assert shown == table.references["both"]["00"].tolist()
    assert shown != sorted(table.columns["both"][table.where("00", "held")])
    unusual = [clip.score for clip, split in unusual_training_clips(table, "both") if split == "held"]
    assert set(unusual) <= set(shown)
    (threshold,) = thresholds(run, "fan", "both")
    assert threshold.score in shown
    clips, _ = explain_clips(run)
    for clip in clips:
        if clip.chosen.ranked.clip in table.held_scores["both"]:
            assert clip.p_value == (1 + sum(score >= clip.chosen.ranked.score for score in shown)) / (len(shown) + 1)


def test_agreement_is_spearman_correlation_within_ids(reported):
    run = read_run(reported)
    members, correlations = agreement(run, "fan")
    table = run.tables["fan"]
    per_id = []
    for id_ in IDS:
        chosen = table.where(id_, "test")
        per_id.append(spearmanr(table.columns["A"][chosen], table.columns["B"][chosen]).statistic)
    assert members == ["A", "B"]
    assert correlations[0][1] == correlations[1][0] == pytest.approx(np.mean(per_id))
    assert correlations[0][0] == pytest.approx(1)


def test_clips_that_members_rank_differently_are_listed(tmp_path):
    rows = clips("fan", "00", normal=5, anomaly=0)

    def score(row, name):
        number = int(row[0][-5])
        return float((number + 4) % 5 if name == "B" else number)  # B ranks the first clip last

    run = read_run(write_run(tmp_path / "run", rows, scores=score))
    (clip,) = disagreements(run, "fan")
    assert clip.clip == "fan/test/normal_id_00_000.wav"
    assert clip.ranks == [0.0, 100.0]
