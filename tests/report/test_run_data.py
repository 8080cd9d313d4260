"""Result files that are missing or damaged are refused."""

from __future__ import annotations

import json
import re

import pytest

from asdkit.errors import DataError
from asdkit.report import write_report
from asdkit.report.run_data import read_run


@pytest.mark.parametrize("missing", ["settings.json", "results.json", "scores.csv"])
def test_folder_without_a_finished_run_is_refused(finished, missing):
    (finished / missing).unlink()
    with pytest.raises(DataError, match=f"no finished run: {missing} is missing"):
        write_report(finished)


def damaged(text, **changes):
    """Return JSON with other values."""
    return json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("results.json", lambda text: "{", "results.json: "),
        ("results.json", lambda text: "[]", "results.json: Input should be an object"),
        ("results.json", lambda text: damaged(text, results=[1]), "results.json: results.0"),
        ("results.json", lambda text: damaged(text, notes=5), "results.json: notes"),
        ("results.json", lambda text: damaged(text, sha256="abc"), "results.json: sha256"),
        (
            "results.json",
            lambda text: damaged(text, wall_seconds=float("nan")),
            "wall_seconds: Input should be a finite number",
        ),
        ("settings.json", lambda text: "{}", "settings.json: name"),
        ("scores.csv", lambda text: "a\n1", "cut short, or not a table"),
        ("scores.csv", lambda text: "", "cut short, or not a table"),
        ("scores.csv", lambda text: text[:-5], "cut short, or not a table"),
        ("scores.csv", lambda text: text.rpartition("fan/test")[0], "differ in the test clips of fan id 02"),
        ("scores.csv", lambda text: text + text.splitlines()[3] + "\n", "lists a clip of fan twice"),
        ("scores.csv", lambda text: text.replace(",anomaly,", ",odd,", 1), "unknown label or split"),
        ("scores.csv", lambda text: text.replace(",anomaly,", ",", 1), "expected 8 values"),
        ("scores.csv", lambda text: re.sub(r",-?[\d.]+\n", ",nan\n", text, count=1), "line 2: a score of nan"),
        ("scores.csv", lambda text: re.sub(r",-?[\d.]+\n", ",x\n", text, count=1), "line 2: 'x' is no score"),
    ],
)
def test_damaged_results_are_refused_with_a_reason(finished, name, damage, reason):
    path = finished / name
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=rf"cannot be read \(.*{re.escape(reason)}") as refused:
        read_run(finished)
    assert "asdkit run" in refused.value.hint
