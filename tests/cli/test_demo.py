"""``asdkit demo`` from the synthetic machine room to the results table."""

from __future__ import annotations

import csv
import json


def test_the_demo_is_neither_perfect_nor_chance(asdkit, tmp_path):
    # Half of the classifier's epochs, which are most of the demo's time; the bounds hold with fewer, too.
    ran = asdkit("demo", "--set", "detectors.M.epochs=4")
    assert ran.returncode == 0, ran.stderr
    run = tmp_path / "asdkit-demo" / "run-0"
    results = json.loads((run / "results.json").read_text())
    machines = {r["machine"] for r in results["results"]}
    assert machines == {"fan", "pump", "slider", "valve"}
    names = {(r["name"], r["kind"]) for r in results["results"]}
    views = ("spectrum", "added", "loud", "missing", "change", "unsteady", "rough", "moments", "quick", "pulsing")
    assert names == {(n, "member") for n in ("AE", "G", "M", *views)} | {
        (n, "system") for n in ("baseline", "MG-mean", "MG-max", "all")
    }
    areas = [r["auc"] for r in results["results"]]
    assert min(areas) < 0.8  # some faults are hardly audible
    means = {m["name"]: m["auc"] for m in results["means"] if m["machine"] is None and m["kind"] == "member"}
    assert all(0.55 < area < 0.99 for area in means.values()), means
    table = [line.split() for line in ran.stdout.splitlines()]
    assert ["fan", "pump", "slider", "valve", "mean"] in table
    with (tmp_path / "asdkit-demo" / "machine-room-0" / "manifest.csv").open() as file:
        severities = {float(row["severity"]) for row in csv.DictReader(file) if row["label"] == "anomaly"}
    assert min(severities) < 0.3
    assert max(severities) == 1
