"""The benchmarks' own machinery: that it refuses unequal contenders, counts rightly, and tells what changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.harness import Case, NotEqual, run, summary

ROOT = Path(__file__).parents[1]


def case(**contenders):
    same = lambda ours, theirs: "" if ours == theirs else f"{theirs} is not {ours}"  # noqa: E731
    return Case("suite", "job", {"threads": 1}, contenders, same, samples=4)


def test_a_contender_whose_output_differs_is_refused():
    with pytest.raises(NotEqual, match="wrong differs from asdkit: 2 is not 1"):
        run(case(asdkit=lambda: 1, wrong=lambda: 2))


def test_the_slower_contender_is_seen_to_be_slower():
    quick, slow = run(case(asdkit=lambda: sum(range(10)) * 0, slow=lambda: sum(range(100_000)) * 0))
    assert (quick.contender, slow.contender) == ("asdkit", "slow")
    assert 0 < quick.least <= quick.median < slow.least
    assert quick.samples == 4


def record(**medians):
    results = [summary("suite", "job", {"n": 1}, who, [m * 0.99, m, m * 1.01]) for who, m in medians.items()]
    stamp = {
        "cpu": "c",
        "cores": 2,
        "system": "s",
        "python": "3",
        "commit": "x",
        "time": "t",
        "load": [0],
        "versions": {},
    }
    return {"stamp": stamp, "results": [r.as_dict() for r in results]}


def test_the_table_gives_ratios_to_ours():
    table = report.markdown(record(asdkit=0.002, other=0.005))
    assert "| other | 5 ms | 4.95 ms to 5.05 ms | 2.50 |" in table
    assert "| asdkit | 2 ms | 1.98 ms to 2.02 ms | 1.00 |" in table


def test_what_changed_is_told_and_what_did_not_as_well():
    text = report.changes(record(asdkit=1, same=1, gone=1), record(asdkit=2, same=1.001, new=1))
    assert "slower  suite: job (n 1), asdkit: 1 s -> 2 s (x 2.00)" in text
    assert "as ever suite: job (n 1), same" in text
    assert "new     suite: job (n 1), new" in text
    assert "gone    suite: job (n 1), gone" in text


def test_compare_works_as_a_command_and_a_wrong_file_is_one_line(tmp_path):
    old, new = tmp_path / "a.json", tmp_path / "b.json"
    old.write_text(json.dumps(record(asdkit=1)))
    new.write_text(json.dumps(record(asdkit=0.5)))
    command = [sys.executable, "-m", "benchmarks", "compare", str(old)]
    done = subprocess.run([*command, str(new)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "faster  suite: job (n 1), asdkit: 1 s -> 500 ms (x 0.50)" in done.stdout
    new.write_text("[]")
    done = subprocess.run([*command, str(new)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{new}: not a benchmark file\n"
