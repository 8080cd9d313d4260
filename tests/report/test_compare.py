"""``asdkit compare``: two runs on the same clips."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asdkit.errors import DataError
from asdkit.metrics import Bootstrap, LabelledClip, difference, evaluate
from asdkit.report.compare import compare, not_compared
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import clips, write_run


def separating(shift):
    """Scores whose anomalies lie `shift` above the rest, the same noise for the same clip."""

    def score(row, name):
        seed = np.random.default_rng(list(row[0].encode()))
        return float(seed.normal() + shift * (row[4] == "anomaly"))

    return score


@pytest.fixture
def rows():
    return [r for m in ("fan", "pump") for i in ("00", "02") for r in clips(m, i, normal=20, anomaly=20)]


@pytest.fixture
def pair(tmp_path, rows):
    """A run, and a much better one."""
    worse = write_run(tmp_path / "worse", rows, ["A"], {}, scores=separating(0.5))
    better = write_run(tmp_path / "better", rows, ["A"], {}, scores=separating(3.0))
    return worse, better


def test_differences_are_those_of_the_paired_bootstrap(pair, rows):
    first, second = map(read_run, pair)
    found = {(d.machine, d.id): d for d in compare(first, second)}
    assert set(found) == {
        ("fan", "00"),
        ("fan", "02"),
        ("fan", None),
        ("pump", "00"),
        ("pump", "02"),
        ("pump", None),
    } | {(None, None)}
    truth = [LabelledClip(r[0], r[1], r[2], int(r[4] == "anomaly")) for r in rows if r[3] == "test"]
    judged = []
    for shift in (3.0, 0.5):
        scores = {r[0]: separating(shift)(r, "A") for r in rows if r[3] == "test"}
        judged.append((Bootstrap(truth, scores), evaluate(truth, scores, name="A", kind="member")))
    expected = difference(*judged)
    mean = found[None, None]
    assert (mean.auc_interval, mean.pauc_interval) == expected[:2]
    for which in (0, 1):
        assert mean.auc[which] == pytest.approx(np.mean([r.auc for r in judged[1 - which][1]]))
    assert mean.auc_interval.low > 0
    assert found["fan", "00"].auc[0] == judged[1][1][0].auc


def test_a_run_does_not_differ_from_itself(pair):
    run = read_run(pair[0])
    for row in compare(run, run):
        assert row.auc[0] == row.auc[1]
        assert (row.auc_interval.low, row.auc_interval.high) == (0, 0)


def test_names_and_machines_that_one_run_lacks_are_passed_over(tmp_path, rows):
    one = write_run(tmp_path / "one", rows, ["A", "B"], {"both": ("A", "B")})
    fans = [r for r in rows if r[1] == "fan"]
    other = write_run(tmp_path / "other", fans, ["A", "C"], {"both": ("A", "C")})
    found = compare(read_run(one), read_run(other))
    assert {(d.name, d.kind) for d in found} == {("A", "member"), ("both", "system")}
    assert {d.machine for d in found} == {"fan"}


def test_runs_of_different_clips_are_refused_and_the_clips_named(tmp_path, rows):
    one = write_run(tmp_path / "one", rows, ["A"], {})
    gone = next(r for r in rows if r[4] == "anomaly")
    other = write_run(tmp_path / "other", [r for r in rows if r != gone], ["A"], {})
    with pytest.raises(DataError, match="only in the first: " + gone[0]):
        compare(read_run(one), read_run(other))
    with pytest.raises(DataError, match="only in the second: " + gone[0]):
        compare(read_run(other), read_run(one))
    turned = [(*r[:4], "normal") if r == gone else r for r in rows]
    with pytest.raises(DataError, match="of another id or label: " + gone[0]):
        compare(read_run(one), read_run(write_run(tmp_path / "turned", turned, ["A"], {})))


def test_runs_with_nothing_in_common_or_no_labels_are_refused(tmp_path, rows):
    one = write_run(tmp_path / "one", rows, ["A"], {})
    other = write_run(tmp_path / "other", rows, ["B"], {})
    with pytest.raises(DataError, match="no member or system in common"):
        compare(read_run(one), read_run(other))
    bare = write_run(tmp_path / "bare", clips("fan", "00", normal=0, anomaly=0, unknown=3), ["A"], {})
    with pytest.raises(DataError, match="no id has labelled test clips of both classes"):
        compare(read_run(bare), read_run(bare))
    elsewhere = write_run(tmp_path / "elsewhere", clips("valve", "00"), ["A"], {})
    with pytest.raises(DataError, match="no machine in common"):
        compare(read_run(one), read_run(elsewhere))


def test_the_command_prints_a_table_or_json(asdkit_command, pair):
    shown = asdkit_command("compare", *pair)
    assert shown.returncode == 0, shown.stderr
    mean = next(line.split() for line in shown.stdout.splitlines() if line.split()[:2] == ["A", "all"])
    found = json.loads(asdkit_command("compare", *pair, "--json").stdout)
    (row,) = [d for d in found["differences"] if d["machine"] is None]
    assert mean[3] == f"{100 * row['auc']['first']:.2f}"
    assert mean[5] == f"{100 * row['auc']['difference']:+.2f}"
    assert row["auc"]["interval"][0] > 0
    assert shown.stdout.count(" *") >= 1


def test_the_command_refuses_with_the_exit_code_of_data(asdkit_command, pair, tmp_path, rows):
    other = write_run(tmp_path / "fewer", rows[:-1], ["A"], {})
    refused = asdkit_command("compare", pair[0], other)
    assert refused.returncode == 3
    assert rows[-1][0] in refused.stderr
    assert "Traceback" not in refused.stderr
    assert asdkit_command("compare", pair[0], tmp_path).returncode == 3


def test_one_run_twice_with_other_recordings_is_told(asdkit_command, pair):
    for folder, digest in zip(pair, ("a", "b"), strict=True):
        record = json.loads((folder / "results.json").read_text())
        (folder / "results.json").write_text(json.dumps(record | {"sha256": {"data": digest}}))
    assert "the content of some recordings" in asdkit_command("compare", *pair).stderr


def test_what_only_one_run_has_is_told(tmp_path, rows, asdkit_command):
    one = write_run(tmp_path / "one", rows, ["A", "B"], {"both": ("A", "B")})
    without_scores(one, "pump", "A")
    other = write_run(tmp_path / "other", rows, ["A", "C"], {})
    assert not_compared(read_run(one), read_run(other)) == [
        "members and systems of the first alone: B, both",
        "A: the first has no scores of pump",
        "members and systems of the second alone: C",
    ]
    ran = asdkit_command("compare", one, other)
    assert ran.returncode == 0, ran.stderr
    assert "note: not compared: A: the first has no scores of pump" in ran.stderr
    without_scores(one, "fan", "A")
    with pytest.raises(DataError, match="no AUC to compare"):
        compare(read_run(one), read_run(other))


def without_scores(folder, machine, name):
    """Leave a run as it is where that job failed."""
    lines = [line.split(",") for line in (folder / "scores.csv").read_text().splitlines()]
    place = lines[0].index(name)
    for line in lines[1:]:
        if line[1] == machine:
            line[place] = ""
    (folder / "scores.csv").write_text("".join(",".join(line) + "\n" for line in lines))


def test_a_run_whose_figures_are_not_those_of_its_scores_is_refused(pair):
    found = json.loads((pair[0] / "results.json").read_text())
    found["results"][1]["auc"] += 1e-6
    (pair[0] / "results.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match="has not the AUC that"):
        compare(*map(read_run, pair))


def test_nearly_perfect_scores_of_few_clips_are_marked(tmp_path, rows, asdkit_command):
    one, other = (write_run(tmp_path / n, rows, ["A"], {}, scores=separating(s)) for n, s in (("1", 50), ("2", 60)))
    found = compare(read_run(one), read_run(other))
    assert [d.unreliable for d in found] == [d.id is not None for d in found]
    assert "? = nearly perfect" in asdkit_command("compare", one, other).stderr


def test_names_of_every_kind_are_printed_as_they_are_on_one_line(tmp_path, asdkit_command):
    rows = [(f"[red]{r[0]}", "fan[/x]\n\x1b[31m", *r[2:]) for r in clips("fan", "00")]
    run = write_run(tmp_path / "[bold]run", rows, ["[link=x]A"], {})
    ran = asdkit_command("compare", run, run)
    assert ran.returncode == 0, ran.stderr
    assert "fan[/x]\\x0a\\x1b[31m" in ran.stdout
    assert "[link=x]A" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert len(ran.stdout.splitlines()) == 3
