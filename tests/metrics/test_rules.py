"""Official scores of each edition, against small cases computed by hand."""

import pytest

from asdkit.metrics import (
    DCASE2020,
    DCASE2021,
    DCASE2022,
    IdResult,
    LabelledClip,
    Mean,
    count_decisions,
    evaluate,
    means,
    pool_ids,
    rank,
    rule_for,
)

# One section: scores of normal and anomalous clips of each domain.
SECTION = {"source": ([1.0, 2.0], [3.0, 1.5]), "target": ([5.0, 6.0], [7.0, 8.0])}
PART = 14 / 19  # pAUC where half the anomalies lie above all normals: (1 + (0.05 - 0.005) / (0.1 - 0.005)) / 2


def section(id_="00"):
    truth, scores = [], {}
    for domain, classes in SECTION.items():
        for label, values in enumerate(classes):
            for value in values:
                clip = LabelledClip(f"{id_}_{domain}_{value}", "fan", id_, label, domain)
                truth.append(clip)
                scores[clip.name] = value
    return truth, scores


def figures(rule, truth_and_scores=None):
    truth, scores = truth_and_scores or section()
    rows = evaluate(truth, scores, name="G", kind="system", rule=rule)
    return {r.domain: (r.auc, r.pauc, r.n_normal, r.n_anomaly) for r in rows}, means(rows, rule)[0]


def test_2020_ignores_domains_and_averages_arithmetically():
    rows, mean = figures(DCASE2020)
    # anomalies above normals: 7 and 8 above all four, 3 above two, 1.5 above one; above all normals: two of four
    assert rows == {None: (11 / 16, pytest.approx(PART), 4, 4)}
    assert mean.official == pytest.approx((11 / 16 + PART) / 2)


def test_2021_compares_each_domain_with_its_own_anomalies():
    rows, mean = figures(DCASE2021)
    assert rows["source"] == (3 / 4, pytest.approx(PART), 2, 2)
    assert rows["target"] == (1.0, 1.0, 2, 2)
    assert mean.auc == pytest.approx(2 / (4 / 3 + 1))
    assert mean.pauc == pytest.approx(2 / (1 / PART + 1))
    assert mean.official == pytest.approx(4 / (4 / 3 + 1 / PART + 1 + 1))


def test_2022_compares_each_domain_with_all_anomalies():
    rows, mean = figures(DCASE2022)
    assert rows["source"][0] == 7 / 8
    assert rows["target"][0] == 1 / 2
    assert rows[None][1] == pytest.approx(PART)
    assert mean.auc == pytest.approx(2 / (8 / 7 + 2))
    assert mean.pauc == pytest.approx(PART)
    assert mean.official == pytest.approx(3 / (8 / 7 + 2 + 1 / PART))


def test_overall_score_is_one_harmonic_mean():
    rows = [
        IdResult("fan", "00", "G", "system", 0.5, 0.6, 9, 9),
        IdResult("fan", "00", "G", "system", 0.4, 0.6, 9, 9, "source"),
        IdResult("fan", "00", "G", "system", 0.8, 0.6, 9, 9, "target"),
        IdResult("pump", "00", "G", "system", 0.5, 0.9, 9, 9),
        IdResult("pump", "00", "G", "system", 0.7, 0.9, 9, 9, "source"),
    ]
    overall = means(rows, DCASE2022)[-1]
    assert overall.of == 2
    assert overall.official == pytest.approx(5 / (1 / 0.4 + 1 / 0.8 + 1 / 0.6 + 1 / 0.7 + 1 / 0.9))
    assert means([*rows[:3], IdResult("fan", "00", "G", "system", 0.0, 0.5, 9, 9, "other")], DCASE2022)[
        -1
    ].official == pytest.approx(0.0)


def test_incomplete_sections_have_no_official_score():
    assert means([IdResult("fan", "00", "G", "system", 0.5, 0.6, 9, 9)], DCASE2022)[-1].official is None
    truth, scores = section()
    rows = evaluate([c for c in truth if c.domain == "source" or c.label], scores, name="G", kind="s", rule=DCASE2021)
    assert [(r.domain, r.auc is None) for r in rows] == [(None, False), ("source", False), ("target", True)]
    assert means(rows, DCASE2021)[-1].official is None


@pytest.mark.parametrize(
    ("layout", "rule"),
    [("dcase2020", DCASE2020), ("dcase2021", DCASE2021), ("dcase2022", DCASE2022), ("dcase2026", DCASE2022)]
    + [(name, DCASE2020) for name in ("folder", "mimii", "csv")],
)
def test_layout_decides_the_rule(layout, rule):
    assert rule_for(layout) is rule


def test_pooled_ids_are_evaluated_as_one():
    first, scores = section("00")
    second, more = section("02")
    more = {name: score + 10 for name, score in more.items()}  # an id that scores higher throughout
    rows = evaluate(pool_ids(first + second), scores | more, name="G", kind="s")
    # within an id 11 of 16 pairs are in order; of a normal of one and an anomaly of the other, one half of all
    assert [(r.id, r.auc, r.n_normal) for r in rows] == [("pooled", (11 + 11 + 16 + 0) / 64, 8)]


def test_2020_ranks_by_mean_place_not_auc():
    table = {  # AUC, pAUC on two machines; A has the higher means and is ahead in one place of four
        "A": {"fan": (0.99, 0.70), "pump": (0.80, 0.60)},
        "B": {"fan": (0.70, 0.71), "pump": (0.81, 0.61)},
    }
    rows = [
        Mean(machine, name, "system", auc, pauc, 1)
        for name, machines in table.items()
        for machine, (auc, pauc) in machines.items()
    ]
    assert rank(rows) == {"B": 5 / 4, "A": 7 / 4}
    tied = [Mean("fan", name, "system", 0.5, 0.5, 1) for name in "AB"]
    assert rank(tied) == {"A": 1.5, "B": 1.5}


def test_ranking_needs_every_system_on_every_machine():
    with pytest.raises(ValueError, match="figures for pump"):
        rank([Mean(m, n, "system", 0.5, 0.5, 1) for m, n in (("fan", "A"), ("fan", "B"), ("pump", "A"))])


def test_precision_recall_and_f1_follow_from_counts():
    counts = count_decisions([0, 0, 0, 1, 1, 1, 1, 0], [1, 0, 0, 1, 1, 0, 1, 0])
    assert (counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative) == (3, 1, 1, 3)
    assert (counts.precision, counts.recall, counts.f1) == (3 / 4, 3 / 4, 3 / 4)
    silent = count_decisions([0, 1], [0, 0])
    assert (silent.precision, silent.recall, silent.f1) == (0, 0, 0)
