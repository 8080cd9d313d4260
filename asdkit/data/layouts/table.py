"""Clips listed in a CSV file, for recordings that no folder layout fits."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from asdkit.data.clip import Clip
from asdkit.data.layouts.base import LABELS, ONLY_ID, SPLITS, Folders, FolderScan, Layout
from asdkit.text import printable, suggestion_or_choices

NEEDED = ("path", "machine", "split")
KNOWN = (*NEEDED, "id", "section", "label", "domain")
DOMAINS = ("source", "target")


class TableLayout(Layout):
    """A CSV file with a header; columns beyond the known ones are attributes."""

    shape = (
        "a CSV file with the columns path (relative to the file), machine and split (train, test), and if known "
        "id or section, label (normal, anomaly), domain (source, target)"
    )

    def root(self, given: Path) -> Path:
        """Return the table's folder."""
        return given.parent

    def machines(self, scan: FolderScan) -> Folders:
        """Return the machines in the table; the folder of each is the table itself."""
        return {row["machine"]: (str(scan.given),) for row in self._rows(scan) if row.get("machine")}

    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield one clip per row. Missing files are reported later, by the audio check."""
        for row in self._rows(scan):
            if row["machine"] == machine:
                path = row["path"]
                label = LABELS.get(row.get("label", ""), 0 if row["split"] == "train" else None)
                yield scan.clip(
                    path if os.path.isabs(path) else os.path.join(str(scan.root), path),
                    machine,
                    SPLITS[SPLITS.index(row["split"])],
                    label,
                    row.get("id") or row.get("section") or ONLY_ID,
                    domain=row.get("domain") or None,
                    attributes={k: v for k, v in row.items() if k not in KNOWN and v},
                )

    def _rows(self, scan: FolderScan) -> list[dict[str, str]]:
        """Read the valid rows; errors are noted once."""
        faults: list[str] = []
        rows: list[dict[str, str]] = []
        where = printable(str(scan.given))
        try:
            with open(scan.given, newline="", encoding="utf-8-sig") as file:
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
        scan.faults += [fault for fault in faults if fault not in scan.faults]
        return rows


def _problem(row: dict[str, str]) -> str:
    """Return what is wrong with a row, or an empty text."""
    if None in row or None in row.values():
        return "more or fewer fields than the header"
    for column, allowed in (("split", SPLITS), ("label", ("", *LABELS)), ("domain", ("", *DOMAINS))):
        value = row.get(column, "")
        if value not in allowed:
            return f'{column} is "{printable(value)}"{suggestion_or_choices(value, [a for a in allowed if a])}'
    return next((f"{column} is empty" for column in ("path", "machine") if not row[column]), "")
