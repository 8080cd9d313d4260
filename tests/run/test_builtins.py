"""The built-in plugins, end to end: the Table 1 spec as written, a killed fit resumed, real recordings."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from asdkit.data.demo import make_machine_room
from tests.helpers.processes import start_run, wait_for

TABLE1 = Path(__file__).parents[2] / "specs" / "dcase2020_table1.toml"
NETWORKS = ("AE", "G", "M")  # R and A extend M
SHORT = ("epochs=1", "windows_per_clip=2", "least_batches=1", "batch_size=8")
FEW = ["--set", "compute.threads=1"]
FEW += [x for d in NETWORKS for option in SHORT for x in ("--set", f"detectors.{d}.{option}")]


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_table_1_spec_runs_as_written(asdkit, tmp_path):
    make_machine_room(tmp_path / "room", machines=("fan", "valve"), ids=2, train=2, normal=2, anomaly=2, seconds=2.5)
    root = f"data.root={json.dumps(str(tmp_path / 'room'))}"
    ran = asdkit("run", TABLE1, "--out", "run", "--set", root, *FEW)
    assert ran.returncode == 0, ran.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    members = ["AE", "G", "M", "R", "A"]
    systems = ["baseline", "1-mean", "1-max", "2-mean", "2-max", "3-mean", "3-max", "4"]
    assert {(r["name"], r["kind"]) for r in results["results"]} == {(m, "member") for m in members} | {
        (s, "system") for s in systems
    }
    assert all(0 <= r["auc"] <= 1 for r in results["results"])
    assert [note for note in results["notes"] if "(restored)" in note or "behind in" in note] == []
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())["machines"]
    augmenters = {m: [a["use"] for a in settings[m]["M"]["augmenters"]] for m in ("fan", "valve")}
    assert augmenters == {"fan": ["mix", "warp"], "valve": ["mix", "resample"]}
    for system in systems:
        files = {p.name for p in (tmp_path / "run" / system).iterdir()}
        assert files == {f"anomaly_score_{m}_id_{i}.csv" for m in ("fan", "valve") for i in ("00", "02")}
    scores = rows_of(tmp_path / "run" / "scores.csv")
    assert len(scores) == 2 * 2 * 6
    assert all(row[name] for row in scores for name in members + systems)


SMALL = """
asdkit = 1
name = "small"
[data]
layout = "dcase2020"
root = "room"
[compute]
threads = 1
[featurizers.mel]
use = "log-mel"
[augmenters.mix]
use = "mix"
[augmenters.warp]
use = "warp"
[detectors.G]
use = "group-made"
epochs = 60
least_batches = 1
batch_size = 16
windows_per_clip = 4
[detectors.M]
use = "id-classifier"
augmenters = ["mix", "warp"]
epochs = 4
least_batches = 1
batch_size = 16
windows_per_clip = 4
[systems.2]
members = ["M", "G"]
fuser = { use = "z-score", combine = "max" }
"""


def test_a_killed_fit_resumes_with_the_same_scores(asdkit, tmp_path):
    make_machine_room(tmp_path / "room", machines=("pump",), ids=2, train=3, normal=2, anomaly=2, seconds=2.5)
    spec = tmp_path / "spec.toml"
    spec.write_text(SMALL)
    ran = asdkit("run", spec, "--out", "whole")
    assert ran.returncode == 0, ran.stderr
    killed = tmp_path / "killed"
    for detector in range(2):  # once in each detector's fit
        process = start_run(tmp_path, spec, "--out", killed)
        wait_for(
            lambda done=detector: (
                len(list(killed.glob("jobs/*/*"))) == done and list(killed.glob("work/*/*/checkpoint.safetensors"))
            )
        )
        process.kill()
        process.communicate()
    assert asdkit("check", spec, "--out", "killed").stdout.count("begun") == 1
    ran = asdkit("run", spec, "--out", "killed")
    assert ran.returncode == 0, ran.stderr
    assert (killed / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


@pytest.mark.parametrize("folder", ["mimii_fixture", "drone_dev"])
def test_every_clip_of_real_recordings_is_scored(asdkit, tmp_path, shared_data, folder):
    spec = tmp_path / "spec.toml"
    spec.write_text(SMALL.replace('root = "room"', f"root = {json.dumps(str(shared_data / folder))}"))
    few = [x for d in ("G", "M") for o in (*SHORT, "hop=32") for x in ("--set", f"detectors.{d}.{o}")]
    machine = "fan" if folder == "mimii_fixture" else "drone"
    ran = asdkit("run", spec, "--out", "run", "--machine", machine, *few)
    assert ran.returncode == 0, ran.stderr
    scores = rows_of(tmp_path / "run" / "scores.csv")
    on_disk = {p.relative_to(shared_data / folder).as_posix() for p in (shared_data / folder / machine).rglob("*.wav")}
    assert {row["path"] for row in scores} == on_disk
    assert all(row[name] for row in scores for name in ("G", "M", "2"))
