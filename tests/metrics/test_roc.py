"""AUC and pAUC against published figures and scikit-learn; scores joined to clips by name."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from asdkit.errors import DataError
from asdkit.metrics import IdResult, LabelledClip, auc, evaluate, means, pauc

GOLDEN = Path(__file__).parents[3] / "shared" / "data" / "golden_scores"


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the published scores are not beside this checkout")
def test_auc_and_pauc_equal_published_figures():
    with (GOLDEN / "golden_auc_pauc.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    for row in rows:
        with (GOLDEN / row["scores_file"]).open() as file:
            scored = list(csv.reader(file))
        truth = [
            LabelledClip(name, row["machine"], row["id"], 0 if name.startswith("normal_") else 1) for name, _ in scored
        ]
        (result,) = evaluate(truth, {name: float(score) for name, score in scored}, name="AE", kind="member")
        assert (result.n_normal, result.n_anomaly) == (int(row["n_normal"]), int(row["n_anomaly"]))
        assert result.auc == pytest.approx(float(row["auc"]), abs=1e-12)
        assert result.pauc == pytest.approx(float(row["pauc"]), abs=1e-12)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.lists(st.integers(0, 8), min_size=1, max_size=30))
def test_auc_is_share_of_ordered_pairs(normal, anomaly):
    wins = sum((a > n) + 0.5 * (a == n) for a in anomaly for n in normal)
    labels = [0] * len(normal) + [1] * len(anomaly)
    assert auc(labels, normal + anomaly) == pytest.approx(wins / (len(normal) * len(anomaly)))


@given(st.data())
def test_areas_equal_scikit_learn_exactly(data):
    labels = data.draw(st.lists(st.integers(0, 1), min_size=2, max_size=60).filter(lambda x: 0 < sum(x) < len(x)))
    highest = data.draw(st.sampled_from([3, 1000]))
    scores = [data.draw(st.integers(0, highest)) / 7 for _ in labels]
    assert auc(labels, scores) == roc_auc_score(labels, scores)
    for max_fpr in (0.1, 0.5):
        assert pauc(labels, scores, max_fpr) == roc_auc_score(labels, scores, max_fpr=max_fpr)


def test_pauc_is_half_by_chance_and_one_when_perfect():
    labels = np.repeat([0, 1], 50)
    assert pauc(labels, np.zeros(100)) == pytest.approx(0.5)
    assert pauc(labels, labels.astype(float)) == 1.0


def _clip(name, id_="00", label=0):
    return LabelledClip(name, "fan", id_, label)


def test_missing_and_nan_scores_are_all_named():
    truth = [_clip("a"), _clip("b", label=1), _clip("c")]
    with pytest.raises(DataError) as caught:
        evaluate(truth, {"a": 0.0, "b": float("nan")}, name="G", kind="member")
    assert "c: no score of G" in str(caught.value)
    assert "b: the score of G is nan" in str(caught.value)


def test_clip_listed_twice_is_an_error():
    with pytest.raises(DataError, match="a: listed 2 times"):
        evaluate([_clip("a"), _clip("a")], {"a": 0.0}, name="G", kind="member")


def test_id_without_both_classes_stays_out_of_means():
    truth = [_clip("a"), _clip("b", label=1), _clip("c", id_="02", label=1)]
    results = evaluate(truth, {"a": 0.0, "b": 1.0, "c": 0.5}, name="G", kind="member")
    assert [(r.id, r.auc) for r in results] == [("00", 1.0), ("02", None)]
    fan, overall = means(results)
    assert (fan.machine, fan.auc, fan.of) == ("fan", 1.0, 1)
    assert (overall.machine, overall.auc, overall.of) == (None, 1.0, 1)


def test_means_are_over_ids_then_machines():
    rows = [
        IdResult("fan", "00", "G", "member", 1.0, 1.0, 1, 1),
        IdResult("fan", "02", "G", "member", 0.5, 0.6, 1, 1),
        IdResult("pump", "00", "G", "member", 0.25, 0.5, 1, 1),
    ]
    by_machine = {m.machine: m for m in means(rows)}
    assert by_machine["fan"].auc == 0.75
    assert by_machine["fan"].pauc == pytest.approx(0.8)
    assert by_machine[None].auc == 0.5  # of 0.75 and 0.25, not of the three ids
