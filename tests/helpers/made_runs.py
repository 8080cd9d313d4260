"""Run folders written by hand, so that tests know what a report must show."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from asdkit.metrics import IdResult, LabelledClip, evaluate, means

Row = tuple[str, str, str, str, str]
"""path, machine, id, split, label"""

MACHINES, IDS = ("fan", "pump"), ("00", "02")
"""Of `two_machines`."""


def clips(machine: str, id_: str, *, train: int = 6, normal: int = 5, anomaly: int = 5, unknown: int = 0) -> list[Row]:
    """Return the clips of one id."""
    kinds = [("train", "normal", train), ("test", "normal", normal), ("test", "anomaly", anomaly)]
    return [
        (f"{machine}/{split}/{label or 'clip'}_id_{id_}_{i:03}.wav", machine, id_, split, label)
        for split, label, count in [*kinds, ("test", "", unknown)]
        for i in range(count)
    ]


def two_machines(folder: Path) -> Path:
    """Write a run of two machines with two ids each, two members and a system."""
    return write_run(folder, [row for machine in MACHINES for id_ in IDS for row in clips(machine, id_)])


def write_run(
    folder: Path,
    rows: Sequence[Row],
    members: Sequence[str] = ("A", "B"),
    systems: Mapping[str, Sequence[str]] | None = None,
    *,
    scores: Callable[[Row, str], float] | None = None,
    **record: object,
) -> Path:
    """Write the result files of `asdkit run`.

    Parameters
    ----------
    folder
        The run folder, which is created.
    rows
        The clips.
    members, systems
        Names of detectors; members of each system (default: one system, ``both``).
    scores
        Score of a clip by a name; default: random, anomalies higher on average.
    record
        Further values for ``results.json``.
    """
    systems = {"both": ("A", "B")} if systems is None else systems
    rng = np.random.default_rng(0)
    names = [*members, *systems]
    score = scores or (lambda row, name: float(rng.normal(1.5 if row[4] == "anomaly" else 0)))
    table = [{n: score(row, n) for n in names} for row in rows]
    results: list[IdResult] = []
    for name in names:
        kind = "system" if name in systems else "member"
        known = [(r, s[name]) for r, s in zip(rows, table, strict=True) if r[3] == "test" and r[4]]
        truth = [LabelledClip(r[0], r[1], r[2], int(r[4] == "anomaly")) for r, _ in known]
        results += evaluate(truth, {r[0]: s for r, s in known}, name=name, kind=kind)
    folder.mkdir()
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "machine", "id", "split", "label", *names])
        writer.writerows([*r, *(repr(s[n]) for n in names)] for r, s in zip(rows, table, strict=True))
    settings = _settings(sorted({r[1] for r in rows}), members, systems)
    (folder / "settings.json").write_text(json.dumps(settings))
    defaults = {
        "name": "by hand",
        "results": [asdict(r) for r in results],
        "means": [asdict(m) for m in means(results)],
        "failed": {},
        "skipped": [],
        "held_out": {},
        "references": {},
        "notes": [],
        "seconds": {},
        "seed": 0,
        "device": "cpu",
        "versions": {},
        "wall_seconds": 1.0,
    }
    (folder / "results.json").write_text(json.dumps(defaults | record))
    return folder


def edit_results(folder: Path, **changes: object) -> None:
    """Replace values in ``results.json``."""
    record = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(record | changes))


def remove_scores(folder: Path, machine: str, *names: str) -> None:
    """Leave the scores as a run does whose jobs of these names failed on a machine."""
    lines = [line.split(",") for line in (folder / "scores.csv").read_text().splitlines()]
    for line in lines[1:]:
        if line[1] == machine:
            for name in names:
                line[lines[0].index(name)] = ""
    (folder / "scores.csv").write_text("".join(",".join(line) + "\n" for line in lines))


def _settings(
    machines: Sequence[str], members: Sequence[str], systems: Mapping[str, Sequence[str]]
) -> dict[str, object]:
    data = {"layout": "folder", "root": "room", "ground_truth": [], "sample_rate": 16000, "channel": "mean"}
    windows = {"frames": 5, "hop": 1, "pool": "mean", "augmenters": [], "scope": "machine"}
    detector = {"use": "knn", "config": {}, "featurizer": {"use": "log-mel", "config": {}}, **windows}
    return {
        "name": "by hand",
        "set": [],
        "seed": 0,
        "data": {**data, "containers": [], "on_bad_audio": "stop"},
        "compute": {},
        "calibration": {"held_out": 0.0, "false_alarm_rate": 0.05, "threshold": "conformal"},
        "machines": {m: {n: {**detector, "job": f"{m}/{n}"} for n in members} for m in machines},
        "systems": {n: {"members": list(s), "fuser": None} for n, s in systems.items()},
        "versions": {},
    }


def edit_settings(run: Path, old: str, new: str) -> None:
    """Replace text in ``settings.json``, which then has no digest, as one of an earlier version."""
    path = run / "settings.json"
    text = path.read_text()
    assert old in text
    values = json.loads(text.replace(old, new))
    del values["content_sha256"]
    path.write_text(json.dumps(values))
