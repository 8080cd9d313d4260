"""What a finished run wrote, read back: ``settings.json``, ``results.json`` and ``scores.csv``."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from asdkit.bundle import ThresholdRule as DecisionRule
from asdkit.errors import DataError
from asdkit.metrics import IdResult, Mean, rule_for
from asdkit.report.records import read_records
from asdkit.run.check_recordings import Skipped
from asdkit.run.records import SystemRecord
from asdkit.text import printable

T = TypeVar("T", IdResult, Mean)
_NAMES = {"normal": 0, "anomaly": 1, "": None}
_SPLITS = ("train", "held", "test")
_UNKNOWN = -1  # label


@dataclass
class ScoreTable:
    """Clips of one machine and their scores.

    Attributes
    ----------
    splits
        ``"train"``, ``"held"`` (training clips that no detector learnt from) or ``"test"``.
    columns
        Scores [float64, ``[clips]``] of each member and system that has them, by name.
    references
        By name and id: scores of the clips held out [float64, ``[held out]``], ascending.
    """

    clips: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    labels: list[int | None] = field(default_factory=list)
    columns: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    references: dict[str, dict[str, npt.NDArray[np.float64]]] = field(default_factory=dict)

    def where(self, id_: str | None, split: str, *labels: int | None) -> npt.NDArray[np.bool_]:
        """Which clips [bool, ``[clips]``] are of an id (None: of any), a split, and have one of these labels."""
        places, ids, splits, known = self._codes
        chosen: npt.NDArray[np.bool_] = splits == _SPLITS.index(split)
        if id_ is not None:
            chosen = chosen & (ids == places.get(id_, len(places)))
        if labels:
            chosen = chosen & np.isin(known, [_UNKNOWN if x is None else x for x in labels])
        return chosen

    def count(self, id_: str | None, split: str, *labels: int | None) -> int:
        """How many clips `where` finds."""
        return int(self.where(id_, split, *labels).sum())

    @cached_property
    def _codes(self) -> tuple[dict[str, int], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Place of each id; id, split and label of each clip as numbers: a page asks `where` thousands of times."""
        places = {id_: place for place, id_ in enumerate(dict.fromkeys(self.ids))}
        return (
            places,
            np.array([places[id_] for id_ in self.ids], dtype=np.int64),
            np.array([_SPLITS.index(split) for split in self.splits], dtype=np.int64),
            np.array([_UNKNOWN if x is None else x for x in self.labels], dtype=np.int64),
        )


@dataclass(frozen=True)
class Run:
    """A finished run as its files tell it.

    Attributes
    ----------
    results, means
        As in ``results.json``.
    average
        What the figures are averaged by, in words.
    rule
        What is decided by the clips held out.
    """

    folder: Path
    name: str
    tables: dict[str, ScoreTable]
    members: list[str]
    systems: dict[str, SystemRecord]
    results: list[IdResult]
    means: list[Mean]
    failed: dict[str, str]
    skipped: list[Skipped]
    notes: list[str]
    seconds: dict[str, dict[str, float]]
    about: dict[str, Any]
    average: str
    rule: DecisionRule

    def names(self, machine: str) -> list[str]:
        """Members and systems that have scores of a machine."""
        return [n for n in (*self.members, *self.systems) if n in self.tables[machine].columns]

    def drawn(self, machine: str) -> list[str]:
        """Whose scores are drawn: the systems, or the members where there is no system."""
        names = self.names(machine)
        return [n for n in names if n in self.systems] or names

    def ids(self, machine: str) -> list[str]:
        """Ids of a machine's clips, sorted."""
        return sorted(set(self.tables[machine].ids))


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Parameters
    ----------
    folder
        The run folder.

    Raises
    ------
    DataError
        If the folder holds no finished run, or its files do not fit together.
    """
    try:
        settings, found = read_records(folder)
        results = [_of(IdResult, row) for row in found["results"]]
        members = list(dict.fromkeys(n for by_name in settings["machines"].values() for n in by_name))
        systems = settings["systems"]
        header, tables = _read_scores(folder / "scores.csv", {*members, *systems})
        for machine, table in tables.items():
            _add_held_out(table, found["held_out"].get(machine, []), found["references"].get(machine, {}))
        _require_same(results, tables)
        rule = settings["calibration"]
        return Run(
            folder=folder,
            name=found.get("name") or folder.name,
            tables=tables,
            members=[n for n in header if n in members],
            systems={n: SystemRecord(**systems[n]) for n in header if n in systems},
            results=results,
            means=[_of(Mean, row) for row in found["means"]],
            failed=found["failed"],
            skipped=[Skipped(row["path"], row["reason"]) for row in found["skipped"]],
            notes=found["notes"],
            seconds=found["seconds"],
            about={k: found.get(k) for k in ("seed", "device", "versions", "sha256", "wall_seconds")},
            average=rule_for(settings["data"]["layout"]).mean,
            rule=DecisionRule(rule["false_alarm_rate"], rule["threshold"]),
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{printable(str(folder))} holds no finished run: {Path(error.filename).name} is missing",
            hint="`asdkit run SPEC` makes a run and its report.",
        ) from None
    except OSError as error:
        raise _unreadable(folder, f"{Path(error.filename).name}: {error.strerror}") from None
    except (ValueError, csv.Error) as error:
        raise _unreadable(folder, str(error)) from None


def _unreadable(folder: Path, why: str) -> DataError:
    return DataError(
        f"{printable(str(folder))}: the results cannot be read ({printable(why)})",
        hint="`asdkit run SPEC` writes them again; finished jobs are kept.",
    )


def _of(kind: type[T], row: dict[str, Any]) -> T:
    """Make a dataclass of those values that it has fields for."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in row.items() if name in names})


def _require_same(results: list[IdResult], tables: dict[str, ScoreTable]) -> None:
    """Require that figures were made from as many clips as there are."""
    for row in results:
        if row.auc is None or row.domain is not None:
            continue
        table = tables.get(row.machine, ScoreTable())
        if [table.count(row.id, "test", label) for label in (0, 1)] != [row.n_normal, row.n_anomaly]:
            raise ValueError(f"scores.csv and results.json tell of other test clips of {row.machine} id {row.id}")


def _add_held_out(table: ScoreTable, held: list[str], references: dict[str, dict[str, list[float]]]) -> None:
    names = set(held)
    table.splits = ["held" if clip in names else split for clip, split in zip(table.clips, table.splits, strict=True)]
    table.references = {
        name: {id_: np.array(scores, dtype=np.float64) for id_, scores in by_id.items()}
        for name, by_id in references.items()
    }


def _read_scores(path: Path, names: set[str]) -> tuple[list[str], dict[str, ScoreTable]]:
    """Read the names in the order of the columns, and the table of each machine."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not text.endswith("\n") or not {"path", "machine", "id", "split", "label"} <= set(reader.fieldnames or ()):
        raise ValueError(f"{path.name}: cut short, or not a table of scores")
    header = [n for n in reader.fieldnames or () if n in names]
    tables: dict[str, ScoreTable] = {}
    values: dict[str, dict[str, list[float]]] = {}
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"{path.name}, line {reader.line_num}: expected {len(reader.fieldnames or ())} values")
        if row["label"] not in _NAMES or row["split"] not in _SPLITS:
            raise ValueError(f"{path.name}, line {reader.line_num}: unknown label or split")
        table = tables.setdefault(row["machine"], ScoreTable())
        table.clips.append(row["path"])
        table.ids.append(row["id"])
        table.splits.append(row["split"])
        table.labels.append(_NAMES[row["label"]])
        columns = values.setdefault(row["machine"], {n: [] for n in header})
        for name in header:
            if row[name]:  # empty where the name has no score of this machine
                columns[name].append(_score(row[name], f"{path.name}, line {reader.line_num}"))
    for machine, table in tables.items():
        if len(set(table.clips)) < len(table.clips):
            raise ValueError(f"{path.name}: lists a clip of {machine} twice")
        for name, scores in values[machine].items():
            if len(scores) not in (0, len(table.clips)):
                raise ValueError(f"{path.name}: {name} has no score of some clips of {machine}")
            if scores:
                table.columns[name] = np.array(scores, dtype=np.float64)
    return header, tables


def _score(text: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        raise ValueError(f"{where}: {text!r} is no score") from None
    if not isfinite(score):
        raise ValueError(f"{where}: a score of {text}")
    return score
