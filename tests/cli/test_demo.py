"""The demo, whole: a machine room, twenty trainings, a table that can look bad."""

from __future__ import annotations

import csv
import json


def test_the_demo_trains_and_evaluates_and_not_everything_is_perfect(asdkit_command, tmp_path):
    ran = asdkit_command("demo")
    assert ran.returncode == 0, ran.stderr
    run = tmp_path / "asdkit-demo" / "run-0"
    results = json.loads((run / "results.json").read_text())
    machines = {r["machine"] for r in results["results"]}
    assert machines == {"fan", "pump", "slider", "valve"}
    names = {(r["name"], r["kind"]) for r in results["results"]}
    assert names == {(n, "member") for n in ("AE", "G", "M", "L", "K")} | {
        (n, "system") for n in ("baseline", "MGL-mean", "MGL-max", "LMGK-lead")
    }
    areas = [r["auc"] for r in results["results"]]
    assert min(areas) < 0.8  # faults range from hardly there to plain
    mean = {m["name"]: m["auc"] for m in results["means"] if m["machine"] is None and m["kind"] == "member"}
    assert all(0.55 < area < 0.99 for area in mean.values()), mean
    table = [line.split() for line in ran.stdout.splitlines()]
    assert ["fan", "pump", "slider", "valve", "mean"] in table
    with (tmp_path / "asdkit-demo" / "machine-room-0" / "manifest.csv").open() as file:
        severities = {float(row["severity"]) for row in csv.DictReader(file) if row["label"] == "anomaly"}
    assert min(severities) < 0.3
    assert max(severities) == 1
