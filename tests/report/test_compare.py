"""``asdkit compare``: two runs on the same clips."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asdkit.errors import DataError
from asdkit.metrics import Bootstrap, Labelled, difference, evaluate
from asdkit.report.comparing import compare
from asdkit.report.reading import read_run
from tests.report.conftest import clips, write_run


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
    truth = [Labelled(r[0], r[1], r[2], int(r[4] == "anomaly")) for r in rows if r[3] == "test"]
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
