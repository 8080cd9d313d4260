"""Clip scores of one machine as a table, and their encoding as CSV (``scores.csv``)."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.text import csv_line, from_spreadsheet_cell

RunSplit = Literal["train", "held", "test"]
"""``"train"``: clips that detectors are trained on; ``"held"``: training clips held out of that; ``"test"``."""

SPLITS: tuple[RunSplit, ...] = ("train", "held", "test")

_COLUMNS = ("path", "machine", "id", "split", "label")
_LABEL_NAMES = {0: "normal", 1: "anomaly", None: ""}
_LABELS = {name: label for label, name in _LABEL_NAMES.items()}
_UNKNOWN = -1  # code of a label that is not known

BoolArray = npt.NDArray[np.bool_]
CodeArray = npt.NDArray[np.int64]
DoubleArray = npt.NDArray[np.float64]


@dataclass
class ScoreTable:
    """Clips of one machine, and their scores by each member and system that could be computed.

    Attributes
    ----------
    clips
        Names of the clips; the other columns are in their order.
    labels
        0 normal, 1 anomaly, None unknown.
    columns
        Scores [float64, ``[clips]``] by name of member or system.
    references
        By name and id: calibration scores of the clips held out [float64, ``[held out]``], ascending.
    held_scores
        By name of a fused system and clip: the same scores. Those of a member are its column.
    """

    clips: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    splits: list[RunSplit] = field(default_factory=list)
    labels: list[int | None] = field(default_factory=list)
    columns: dict[str, DoubleArray] = field(default_factory=dict)
    references: dict[str, dict[str, DoubleArray]] = field(default_factory=dict)
    held_scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def mark_held(
        self,
        clips: Collection[str],
        references: Mapping[str, Mapping[str, Sequence[float]]],
        held_scores: Mapping[str, Mapping[str, float]],
    ) -> None:
        """Mark training clips as held out, and set `references` and `held_scores`."""
        names = set(clips)
        self.splits = ["held" if c in names else s for c, s in zip(self.clips, self.splits, strict=True)]
        self.references = {
            name: {id_: np.array(scores, dtype=np.float64) for id_, scores in by_id.items()}
            for name, by_id in references.items()
        }
        self.held_scores = {name: dict(by_clip) for name, by_clip in held_scores.items()}

    def comparable(self, name: str) -> DoubleArray:
        """Return the scores [float64, ``[clips]``]; those of clips held out are their calibration scores."""
        held = self.held_scores.get(name, {})
        column = self.columns[name]
        return np.array([held.get(clip, score) for clip, score in zip(self.clips, column, strict=True)], np.float64)

    def by_name(self, column: str) -> dict[str, float]:
        """Map clip names to scores."""
        return {clip: float(score) for clip, score in zip(self.clips, self.columns[column], strict=True)}

    def of_split(self, split: RunSplit) -> list[str]:
        """List the names of the clips of a split."""
        return [clip for clip, s in zip(self.clips, self.splits, strict=True) if s == split]

    def where(self, id_: str | None, split: RunSplit, *labels: int | None) -> BoolArray:
        """Select the clips of an id (None: any) and a split that have one of the labels [bool, ``[clips]``]."""
        chosen: BoolArray = self._split_codes == SPLITS.index(split)
        if id_ is not None:
            codes, ids = self._id_codes
            chosen = chosen & (ids == codes.get(id_, len(codes)))
        if labels:
            chosen = chosen & np.isin(self._label_codes, [_UNKNOWN if x is None else x for x in labels])
        return chosen

    def count(self, id_: str | None, split: RunSplit, *labels: int | None) -> int:
        """Count the clips that `where` selects."""
        return int(self.where(id_, split, *labels).sum())

    # Ids, splits and labels as numbers, one property each: a report calls `where` thousands of times, and a run calls
    # it without looking at any label.

    @cached_property
    def _id_codes(self) -> tuple[dict[str, int], CodeArray]:
        codes = {id_: code for code, id_ in enumerate(dict.fromkeys(self.ids))}
        return codes, np.array([codes[id_] for id_ in self.ids], dtype=np.int64)

    @cached_property
    def _split_codes(self) -> CodeArray:
        return np.array([SPLITS.index(split) for split in self.splits], dtype=np.int64)

    @cached_property
    def _label_codes(self) -> CodeArray:
        return np.array([_UNKNOWN if x is None else x for x in self.labels], dtype=np.int64)


def encode_scores(tables: Mapping[str, ScoreTable], names: Sequence[str]) -> bytes:
    """Encode the tables of all machines as one CSV table.

    A row has the clip, its machine, id, split (``train`` for clips held out too) and label, and the scores by `names`;
    a name without scores of a machine has empty cells there. Names are written so that no spreadsheet evaluates them.
    """
    rows: list[list[object]] = [[*_COLUMNS, *names]]
    for machine, table in sorted(tables.items()):
        clips = zip(table.clips, table.ids, table.splits, table.labels, strict=True)
        for i, (clip, id_, split, label) in enumerate(clips):
            scores = [float(table.columns[n][i]) if n in table.columns else None for n in names]
            rows.append([clip, machine, id_, "test" if split == "test" else "train", _LABEL_NAMES[label], *scores])
    return encode_csv(rows)


def encode_csv(rows: Iterable[Iterable[object]]) -> bytes:
    """Encode rows as CSV, see `asdkit.text.csv_line`; names that are not UTF-8 keep their bytes."""
    return "".join(map(csv_line, rows)).encode("utf-8", "surrogateescape")


def decode_scores(
    data: bytes, names: Collection[str], *, escaped: bool = True
) -> tuple[list[str], dict[str, ScoreTable]]:
    """Decode what `encode_scores` returned. Clips held out are not distinguished from other training clips.

    Parameters
    ----------
    data
        Content of the file.
    names
        Members and systems; columns of any other name are ignored.
    escaped
        Whether names are written by `asdkit.text.spreadsheet_cell`; in old files they are written as they are.

    Returns
    -------
    columns, tables
        The names in the order of the file's columns, and the table of each machine.

    Raises
    ------
    ValueError
        If it is not valid; says in which line.
    """
    text = data.decode("utf-8", "surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    name_of = from_spreadsheet_cell if escaped else str
    header = reader.fieldnames = [name_of(cell) for cell in reader.fieldnames or ()]
    if not text.endswith("\n") or not set(_COLUMNS) <= set(header):
        raise ValueError("cut short, or not a table of scores")
    columns = [n for n in header if n in names]
    tables: dict[str, ScoreTable] = {}
    values: dict[str, dict[str, list[float]]] = {}
    try:
        for row in reader:
            _check_row(row, len(header))
            machine = name_of(row["machine"])
            table = tables.setdefault(machine, ScoreTable())
            table.clips.append(name_of(row["path"]))
            table.ids.append(name_of(row["id"]))
            table.splits.append(SPLITS[SPLITS.index(row["split"])])
            table.labels.append(_LABELS[row["label"]])
            scores = values.setdefault(machine, {n: [] for n in columns})
            for name in columns:
                if row[name]:  # empty where the name has no scores of this machine
                    scores[name].append(_score(row[name]))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
    for machine, table in tables.items():
        _add_columns(machine, table, values[machine])
    return columns, tables


def _check_row(row: Mapping[str | None, object], cells: int) -> None:
    if None in row or None in row.values():
        raise ValueError(f"expected {cells} values")
    if row["label"] not in _LABELS or row["split"] not in SPLITS:
        raise ValueError("unknown label or split")


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no score") from None
    if not isfinite(score):
        raise ValueError(f"a score of {text}")
    return score


def _add_columns(machine: str, table: ScoreTable, values: Mapping[str, Sequence[float]]) -> None:
    if len(set(table.clips)) < len(table.clips):
        raise ValueError(f"lists a clip of {machine} twice")
    for name, scores in values.items():
        if len(scores) not in (0, len(table.clips)):
            raise ValueError(f"{name} has no score of some clips of {machine}")
        if scores:
            table.columns[name] = np.array(scores, dtype=np.float64)
