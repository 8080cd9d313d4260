"""``asdkit compare``: paired differences between two runs on the same clips."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asdkit.errors import DataError
from asdkit.metrics import Bootstrap, LabelledClip, difference, evaluate
from asdkit.report.compare import compare, not_compared
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import clips, edit_results, remove_scores, write_run


def separating(shift):
    """Return scores with anomalies `shift` higher on average, and the same noise for the same clip."""

    def score(row, name):
        rng = np.random.default_rng(list(row[0].encode()))
        return float(rng.normal() + shift * (row[4] == "anomaly"))

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


def test_differences_equal_the_paired_bootstrap(pair, rows):
    first, second = map(read_run, pair)
    by_id = {(d.machine, d.id): d for d in compare(first, second)}
    assert set(by_id) == {
        ("fan", "00"),
        ("fan", "02"),
        ("fan", None),
        ("pump", "00"),
        ("pump", "02"),
        ("pump", None),
    } | {(None, None)}
    truth = [LabelledClip(r[0], r[1], r[2], int(r[4] == "anomaly")) for r in rows if r[3] == "test"]
    evaluated = []
    for shift in (3.0, 0.5):
        scores = {r[0]: separating(shift)(r, "A") for r in rows if r[3] == "test"}
        evaluated.append((Bootstrap(truth, scores), evaluate(truth, scores, name="A", kind="member")))
    expected = difference(*evaluated)
    mean = by_id[None, None]
    assert (mean.auc_interval, mean.pauc_interval) == expected[:2]
    for which in (0, 1):
        assert mean.auc[which] == pytest.approx(np.mean([r.auc for r in evaluated[1 - which][1]]))
    assert mean.auc_interval.low > 0
    assert by_id["fan", "00"].auc[0] == evaluated[1][1][0].auc


def test_run_does_not_differ_from_itself(pair):
    run = read_run(pair[0])
    for row in compare(run, run):
        assert row.auc[0] == row.auc[1]
        assert (row.auc_interval.low, row.auc_interval.high) == (0, 0)


def test_names_and_machines_of_one_run_are_ignored(tmp_path, rows):
    one = write_run(tmp_path / "one", rows, ["A", "B"], {"both": ("A", "B")})
    fans = [r for r in rows if r[1] == "fan"]
    other = write_run(tmp_path / "other", fans, ["A", "C"], {"both": ("A", "C")})
    differences = compare(read_run(one), read_run(other))
    assert {(d.name, d.kind) for d in differences} == {("A", "member"), ("both", "system")}
    assert {d.machine for d in differences} == {"fan"}


def test_runs_of_different_clips_are_refused(tmp_path, rows):
    one = write_run(tmp_path / "one", rows, ["A"], {})
    removed = next(r for r in rows if r[4] == "anomaly")
    other = write_run(tmp_path / "other", [r for r in rows if r != removed], ["A"], {})
    with pytest.raises(DataError, match="only in the first: " + removed[0]):
        compare(read_run(one), read_run(other))
    with pytest.raises(DataError, match="only in the second: " + removed[0]):
        compare(read_run(other), read_run(one))
    relabelled = [(*r[:4], "normal") if r == removed else r for r in rows]
    with pytest.raises(DataError, match="of another id or label: " + removed[0]):
        compare(read_run(one), read_run(write_run(tmp_path / "relabelled", relabelled, ["A"], {})))


def test_runs_with_nothing_to_compare_are_refused(tmp_path, rows):
    one = write_run(tmp_path / "one", rows, ["A"], {})
    other = write_run(tmp_path / "other", rows, ["B"], {})
    with pytest.raises(DataError, match="no member or system in common"):
        compare(read_run(one), read_run(other))
    unlabelled = write_run(tmp_path / "unlabelled", clips("fan", "00", normal=0, anomaly=0, unknown=3), ["A"], {})
    with pytest.raises(DataError, match="no id has labelled test clips of both classes"):
        compare(read_run(unlabelled), read_run(unlabelled))
    valve = write_run(tmp_path / "valve", clips("valve", "00"), ["A"], {})
    with pytest.raises(DataError, match="no machine in common"):
        compare(read_run(one), read_run(valve))


def test_command_prints_a_table_or_json(asdkit, pair):
    shown = asdkit("compare", *pair)
    assert shown.returncode == 0, shown.stderr
    mean = next(line.split() for line in shown.stdout.splitlines() if line.split()[:2] == ["A", "all"])
    printed = json.loads(asdkit("compare", *pair, "--json").stdout)
    (row,) = [d for d in printed["differences"] if d["machine"] is None]
    assert mean[3] == f"{100 * row['auc']['first']:.2f}"
    assert mean[5] == f"{100 * row['auc']['difference']:+.2f}"
    assert row["auc"]["interval"][0] > 0
    assert shown.stdout.count(" *") >= 1


def test_command_refuses_with_exit_code_of_data(asdkit, pair, tmp_path, rows):
    other = write_run(tmp_path / "fewer", rows[:-1], ["A"], {})
    refused = asdkit("compare", pair[0], other)
    assert refused.returncode == 3
    assert rows[-1][0] in refused.stderr
    assert "Traceback" not in refused.stderr
    assert asdkit("compare", pair[0], tmp_path).returncode == 3


def test_other_recordings_are_noted(asdkit, pair):
    for folder, digest in zip(pair, ("a", "b"), strict=True):
        edit_results(folder, sha256={"data": digest})
    assert "the content of some recordings" in asdkit("compare", *pair).stderr


def test_names_of_one_run_are_noted(tmp_path, rows, asdkit):
    one = write_run(tmp_path / "one", rows, ["A", "B"], {"both": ("A", "B")})
    remove_scores(one, "pump", "A")
    other = write_run(tmp_path / "other", rows, ["A", "C"], {})
    assert not_compared(read_run(one), read_run(other)) == [
        "members and systems of the first only: B, both",
        "A: the first has no scores of pump",
        "members and systems of the second only: C",
    ]
    command = asdkit("compare", one, other)
    assert command.returncode == 0, command.stderr
    assert "note: not compared: A: the first has no scores of pump" in command.stderr
    remove_scores(one, "fan", "A")
    with pytest.raises(DataError, match="no AUC to compare"):
        compare(read_run(one), read_run(other))


def test_figures_that_do_not_match_scores_are_refused(pair):
    results = json.loads((pair[0] / "results.json").read_text())["results"]
    results[1]["auc"] += 1e-6
    edit_results(pair[0], results=results)
    with pytest.raises(DataError, match="does not have the AUC that"):
        compare(*map(read_run, pair))


def test_nearly_perfect_scores_of_few_clips_are_marked(tmp_path, rows, asdkit):
    one, other = (write_run(tmp_path / n, rows, ["A"], {}, scores=separating(s)) for n, s in (("1", 50), ("2", 60)))
    differences = compare(read_run(one), read_run(other))
    assert [d.unreliable for d in differences] == [d.id is not None for d in differences]
    assert "? = nearly perfect" in asdkit("compare", one, other).stderr


def test_names_are_printed_literally_on_one_line(tmp_path, asdkit):
    rows = [(f"[red]{r[0]}", "fan[/x]\n\x1b[31m", *r[2:]) for r in clips("fan", "00")]
    run = write_run(tmp_path / "[bold]run", rows, ["[link=x]A"], {})
    command = asdkit("compare", run, run)
    assert command.returncode == 0, command.stderr
    assert "fan[/x]\\x0a\\x1b[31m" in command.stdout
    assert "[link=x]A" in command.stdout
    assert "\x1b" not in command.stdout
    assert len(command.stdout.splitlines()) == 3
