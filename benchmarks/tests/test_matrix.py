"""The benchmark matrix: one table over detectors, machines and seeds, from one store."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev

import pytest

from tests.helpers.rooms import job_folders
from tests.run.test_honesty import SPEC

ROOT = Path(__file__).parents[2]


def tabulate(folder: Path, *seeds: int, more: tuple[str, ...] = ()) -> str:
    command = [sys.executable, "-m", "benchmarks.matrix", folder / "spec.toml", "--out", folder / "out", "--seeds"]
    ran = subprocess.run(
        [*map(str, command), *map(str, seeds), *more],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_matrix_has_every_detector_with_spread_over_seeds_and_running_again_adds_what_is_missing(
    room: Path,
    tmp_path: Path,
) -> None:
    text = SPEC.replace('use = "knn"', 'use = "gmm"\ncomponents = 2')
    (tmp_path / "spec.toml").write_text(text)
    tabulate(tmp_path, 0)
    official = {0: _official(tmp_path)}
    before = job_folders(tmp_path / "out")
    shown = tabulate(tmp_path, 0, 1)
    official[1] = _official(tmp_path)
    after = job_folders(tmp_path / "out")
    assert {key: after[key] for key in before} == before
    assert len(after) == 2 * len(before)
    assert shown.startswith("Measured: AUC (pAUC) in per cent, mean over seeds 0, 1; by the rule of dcase2020.")
    with (tmp_path / "out" / "matrix.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["K", "L", "both"]
    for name, row in rows.items():
        both = [100 * official[seed][name] for seed in (0, 1)]
        assert float(row["official (dcase2020)"]) == pytest.approx(fmean(both), abs=0.006)
        assert float(row["sd over seeds"]) == pytest.approx(stdev(both), abs=0.006)
        low, high = map(float, row["95 % interval"].split(" to "))
        assert low <= fmean(both) + 0.006
        assert high >= fmean(both) - 0.006
        assert float(row["training, s"]) >= 0
        assert float(row["clips/s"]) > 0
    assert float(rows["both"]["mean place"]) == 1.0  # alone of its kind
    assert sum(float(rows[name]["mean place"]) for name in "KL") == pytest.approx(3.0)
    tex = (tmp_path / "out" / "matrix.tex").read_text()
    assert tex.count(r"\\") == 4
    assert r"95 \% interval" in tex
    assert len(re.findall(r"^\| [KLb]", (tmp_path / "out" / "matrix.md").read_text(), re.MULTILINE)) == 3
    assert "selected" not in shown
    selected = tabulate(tmp_path, 0, 1, more=("--allow-test-selection",))
    assert "allow_test_selection = true" in selected.splitlines()[0]
    assert "allow_test_selection = true" in (tmp_path / "out" / "matrix.tex").read_text().splitlines()[0]
    with (tmp_path / "out" / "matrix.csv").open() as file:
        again = {row["name"]: row for row in csv.DictReader(file)}
    best = again.pop("best of each machine")
    assert best["kind"] == "selected by test score"
    assert best["95 % interval"] == best["mean place"] == "-"
    assert [row["official (dcase2020)"] for row in again.values()] == [
        row["official (dcase2020)"] for row in rows.values()
    ]
    score = {name: float(row["official (dcase2020)"]) for name, row in again.items()}
    if len(json.loads((tmp_path / "out" / "results.json").read_bytes())["means"]) == 6:  # one machine
        assert float(best["official (dcase2020)"]) == max(score.values())
    assert float(best["official (dcase2020)"]) >= max(score.values()) - 1e-9


def _official(folder: Path) -> dict[str, float]:
    means = json.loads((folder / "out" / "results.json").read_bytes())["means"]
    return {m["name"]: m["official"] for m in means if m["machine"] is None}
