"""Clips listed in a CSV file: for recordings that no folder layout fits."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from asdkit.data.clip import Clip
from asdkit.data.layouts.base import LABELS, ONLY_ID, SPLITS, Folders, Layout, Survey
from asdkit.text import nearest, printable

NEEDED = ("path", "machine", "split")
KNOWN = (*NEEDED, "id", "section", "label", "domain")
DOMAINS = ("source", "target")


class TableLayout(Layout):
    """A CSV file with a header; every other column is an attribute."""

    shape = (
        "a CSV file with the columns path (relative to the file), machine and split (train, test), and if known "
        "id or section, label (normal, anomaly), domain (source, target)"
    )

    def root(self, given: Path) -> Path:
        """The table's folder."""
        return given.parent

    def machines(self, survey: Survey) -> Folders:
        """Machines that the table names; every one has the table itself for its folder."""
        return {row["machine"]: (str(survey.given),) for row in self._rows(survey) if row.get("machine")}

    def clips(self, survey: Survey, machine: str, folder: str) -> Iterator[Clip]:
        """One clip a row; a file need not be there (its audio check says so)."""
        for row in self._rows(survey):
            if row["machine"] == machine:
                path = row["path"]
                label = LABELS.get(row.get("label", ""), 0 if row["split"] == "train" else None)
                yield survey.clip(
                    path if os.path.isabs(path) else os.path.join(str(survey.root), path),
                    machine,
                    SPLITS[SPLITS.index(row["split"])],
                    label,
                    row.get("id") or row.get("section") or ONLY_ID,
                    domain=row.get("domain") or None,
                    attributes={k: v for k, v in row.items() if k not in KNOWN and v},
                )

    def _rows(self, survey: Survey) -> list[dict[str, str]]:
        """Rows without a fault; the faults are noted once."""
        faults: list[str] = []
        rows: list[dict[str, str]] = []
        where = printable(str(survey.given))
        try:
            with open(survey.given, newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                header = reader.fieldnames or []
                faults += [f"{where}:1: no column {name}" for name in NEEDED if name not in header]
                for row in () if faults else reader:
                    problem = _problem(row)
                    if problem:
                        faults.append(f"{where}:{reader.line_num}: {problem}")
                    else:
                        rows.append(row)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            faults.append(f"{where}: cannot be read: {error}")
        survey.faults += [fault for fault in faults if fault not in survey.faults]
        return rows


def _problem(row: dict[str, str]) -> str:
    """What is wrong with a row; empty where nothing is."""
    if None in row or None in row.values():
        return "more or fewer fields than the header"
    for column, allowed in (("split", SPLITS), ("label", ("", *LABELS)), ("domain", ("", *DOMAINS))):
        value = row.get(column, "")
        if value not in allowed:
            return f'{column} is "{printable(value)}"{nearest(value, [a for a in allowed if a])}'
    return next((f"{column} is empty" for column in ("path", "machine") if not row[column]), "")
