"""Run folders made by hand, so that what a report shows can be known beforehand."""

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


def clips(machine: str, id_: str, *, train: int = 6, normal: int = 5, anomaly: int = 5, unknown: int = 0) -> list[Row]:
    """Clips of one id."""
    kinds = [("train", "normal", train), ("test", "normal", normal), ("test", "anomaly", anomaly)]
    return [
        (f"{machine}/{split}/{label or 'clip'}_id_{id_}_{i:03}.wav", machine, id_, split, label)
        for split, label, count in [*kinds, ("test", "", unknown)]
        for i in range(count)
    ]


def write_run(
    folder: Path,
    rows: Sequence[Row],
    members: Sequence[str] = ("A", "B"),
    systems: Mapping[str, Sequence[str]] | None = None,
    *,
    scores: Callable[[Row, str], float] | None = None,
    **found: object,
) -> Path:
    """Write what `asdkit run` leaves: anomalies score higher on the whole; `found` goes into ``results.json``."""
    systems = {"both": ("A", "B")} if systems is None else systems
    rng = np.random.default_rng(0)
    names = [*members, *systems]
    value = scores or (lambda row, name: float(rng.normal(1.5 if row[4] == "anomaly" else 0)))
    table = [{n: value(row, n) for n in names} for row in rows]
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
    machines = sorted({r[1] for r in rows})
    settings = {
        "data": {"layout": "folder"},
        "calibration": {"held_out": 0.0, "false_alarm_rate": 0.05, "threshold": "conformal"},
        "machines": {m: {n: {"use": "knn"} for n in members} for m in machines},
        "systems": {n: {"members": list(s), "fuser": None} for n, s in systems.items()},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    record = {
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
    (folder / "results.json").write_text(json.dumps(record | found))
    return folder
