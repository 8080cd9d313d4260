"""Test labels reach the metrics and nothing else, and a result says what it was made from."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from asdkit.plugins import discover
from asdkit.run import make_plan, run_plan
from asdkit.run import plan as plan_module
from asdkit.spec import load_spec

SPEC = """
asdkit = 1
name = "small"

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000

[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 32

[detectors.K]
use = "knn"

[detectors.L]
use = "mahalanobis"

[systems.both]
members = ["K", "L"]
fuser = { use = "z-score" }
"""

TOUCHED: set[str] = set()


class Tainted(int):
    """A label that notes who looks at its value."""


def _noting(operation):
    original = getattr(int, operation)

    def note(self, *others):
        frame = sys._getframe(1)
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module.startswith("asdkit"):
                TOUCHED.add(f"{module}.{frame.f_code.co_name}")
                break
            frame = frame.f_back
        return original(self, *others)

    return note


for _name in (
    *("__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__hash__", "__bool__", "__int__", "__index__"),
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__float__", "__repr__", "__str__"),
    *("__format__", "__reduce_ex__"),
):
    setattr(Tainted, _name, _noting(_name))


@pytest.fixture
def run(room, tmp_path, monkeypatch):
    """Run the spec in this process, with the labels of test clips changed as told."""
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    find = plan_module.find_clips

    def carry_out(folder, change):
        def changed(*args):
            return [replace(c, label=change(c.label)) if c.split == "test" else c for c in find(*args)]

        monkeypatch.setattr(plan_module, "find_clips", changed)
        registry = discover()
        plan = make_plan(load_spec(path, registry=registry), tmp_path / folder, registry)
        return plan, run_plan(plan)

    return carry_out


def test_only_metrics_and_written_tables_read_test_labels(run) -> None:
    TOUCHED.clear()
    _, results = run("tainted", Tainted)
    assert all(r.auc is not None for r in results.rows)
    lookers = {name for name in TOUCHED if not name.startswith("asdkit.metrics.")}
    # scores.csv shows the labels, and the digest of the data, computed at the end, includes them
    assert lookers <= {"asdkit.run.score_table.encode_scores", "asdkit.run.provenance._digest"}
    assert any(name.startswith("asdkit.metrics.") for name in TOUCHED)


def test_job_that_reads_a_label_is_caught(run, monkeypatch) -> None:
    from asdkit.run.job import _JobRun

    whole = _JobRun.run

    def peeking(self):
        whole(self)
        assert sum(p.clip.label for p in self.job.test) > 0

    monkeypatch.setattr(_JobRun, "run", peeking)
    TOUCHED.clear()
    run("peeked", Tainted)
    assert "asdkit.run.job.run_job" in TOUCHED


def test_scores_do_not_depend_on_test_labels(run) -> None:
    outcomes = [
        run(folder, change)
        for folder, change in (("true", int), ("inverted", lambda label: 1 - label), ("hidden", lambda label: None))
    ]
    keys = [[job.key for job in plan.jobs] for plan, _ in outcomes]
    assert keys[0] == keys[1] == keys[2]
    for machine, table in outcomes[0][1].scores.items():
        for name, column in table.columns.items():
            for _, other in outcomes[1:]:
                assert (column == other.scores[machine].columns[name]).all()
    (true, inverted, hidden) = (results for _, results in outcomes)
    assert [r.auc for r in true.rows] == [pytest.approx(1 - r.auc) for r in inverted.rows]
    assert all(r.auc is None for r in hidden.rows)


def test_results_have_digests_of_data_settings_and_code(asdkit, finished, tmp_path) -> None:
    def digests():
        ran = asdkit("run", finished, "--machine", "fan")
        assert ran.returncode == 0, ran.stderr
        return json.loads((tmp_path / "runs" / "small" / "results.json").read_bytes())["sha256"]

    first = digests()
    assert set(first) == {"data", "settings", "code"}
    assert digests() == first
    clip = tmp_path / "room" / "fan" / "train" / "normal_id_00_00000000.wav"
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    clip.write_bytes(content)
    changed = digests()
    assert changed["data"] != first["data"]
    assert (changed["settings"], changed["code"]) == (first["settings"], first["code"])
    finished.write_text(finished.read_text().replace("order = 4.0", "order = 3.0"))
    assert digests()["settings"] != first["settings"]
    source = tmp_path / "site" / "asdkit_mean_spectrum.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert digests()["code"] != first["code"]
