"""Clips listed in a CSV file, for recordings that no folder layout fits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from asdkit.errors import DataError
from asdkit.layouts.base import LABELS, ONLY_ID, SPLITS, Folders, FolderScan, Layout, label_of
from asdkit.layouts.clip import Clip
from asdkit.layouts.csv_table import read_rows
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

    examples = {  # noqa: RUF012
        "clips.csv": "path,machine,split,label,load\na.wav,fan,train,normal,3\nb.wav,fan,test,anomaly,5\n",
        "a.wav": "",
        "b.wav": "",
    }
    tables = (".csv",)

    def root(self, given: Path) -> Path:
        """Return the table's folder."""
        return given.parent

    def machines(self, scan: FolderScan) -> Folders:
        """Return the machines in the table; the folder of each is the table itself."""
        return dict.fromkeys(self._rows(scan), (str(scan.given),))

    def clips(self, scan: FolderScan, machine: str, folder: str) -> Iterator[Clip]:
        """Yield one clip per row. Missing files are reported later, by the audio check."""
        scan.linked = True  # a table may name a file by several paths
        for row in self._rows(scan)[machine]:
            path = row["path"]
            label = label_of(row["label"]) if row.get("label") else (0 if row["split"] == "train" else None)
            yield scan.clip(
                os.path.normpath(os.path.join(str(scan.root), path)),
                machine,
                SPLITS[SPLITS.index(row["split"])],
                label,
                row.get("id") or row.get("section") or ONLY_ID,
                domain=row.get("domain") or None,
                attributes={k: v for k, v in row.items() if k not in KNOWN and v},
            )

    def _rows(self, scan: FolderScan) -> dict[str, list[dict[str, str]]]:
        """Return the valid rows by machine; the table is read once in a scan."""
        if scan.table is None:
            scan.table = {}
            for row in self._read(scan):
                scan.table.setdefault(row["machine"], []).append(row)
        return scan.table

    def _read(self, scan: FolderScan) -> list[dict[str, str]]:
        """Read the valid rows; errors are noted."""
        faults: list[str] = []
        rows: list[dict[str, str]] = []
        where = printable(str(scan.given))
        header: list[str] = []
        try:
            for line, fields in read_rows(scan.given):
                if not header:
                    header = _header(fields)
                    faults += [f"{where}:{line}: {problem}" for problem in _header_problems(header)]
                    if faults:
                        break  # without its columns no row can be read
                else:
                    row, problem = _row(header, fields)
                    faults += [f"{where}:{line}: {problem}"] if problem else []
                    rows += [] if problem else [row]
        except DataError as error:
            faults.append(str(error).replace("\n", "; "))
        if not header and not faults:
            faults.append(f"{where}: is empty")
        scan.faults += faults
        return rows


def _header(fields: Sequence[str]) -> list[str]:
    """Return the names of the columns; the known ones in lower case, without empty columns at the end."""
    names = [name.lower() if name.lower() in KNOWN else name for name in fields]
    while names and not names[-1]:
        names.pop()
    return names


def _header_problems(header: Sequence[str]) -> list[str]:
    missing = [f"no column {name}{_found(header)}" for name in NEEDED if name not in header]
    twice = [f"two columns {printable(name)}" for name, count in Counter(header).items() if count > 1]
    return missing + twice


def _found(header: Sequence[str]) -> str:
    return f" among {', '.join(printable(name) for name in header)[:80]}"


def _row(header: Sequence[str], fields: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return the fields by column, and what is wrong with them or an empty text."""
    if len(fields) < len(header) or any(fields[len(header) :]):
        return {}, f"{len(fields)} fields, but the header has {len(header)}"
    row = dict(zip(header, fields, strict=False))
    for column, allowed in (("split", SPLITS), ("domain", ("", *DOMAINS))):
        value = row[column] = row.get(column, "").lower()
        if value not in allowed:
            return {}, f'{column} is "{printable(value)}"{suggestion_or_choices(value, [a for a in allowed if a])}'
    label = row.get("label", "")
    if label and label_of(label) is None:
        return {}, f'label is "{printable(label)}"{suggestion_or_choices(label, LABELS)}'
    return row, next((f"{column} is empty" for column in ("path", "machine") if not row[column]), "")
