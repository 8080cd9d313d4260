"""Rows of scored recordings on standard output, each as soon as it is known."""

from __future__ import annotations

import csv as csv_module
import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from asdkit.text import printable, spreadsheet_cell

if TYPE_CHECKING:
    from asdkit.bundle.score_recordings import FileResult

COLUMNS = ("path", "id", "id_known", "score", "p_value", "verdict", "worst_seconds", "supported_rate", "reason", "note")
_COLOURS = {"anomalous": "\x1b[1;31m", "undecided": "\x1b[33m", "normal": "\x1b[32m"}
_LEAST_PATH = 20


def values_of(row: FileResult) -> dict[str, Any]:
    """What is written of one recording, by column."""
    verdict = row.verdict
    assert verdict is not None
    return {
        "path": row.path,
        "id": verdict.id,
        "id_known": verdict.id_known,
        "score": verdict.score,
        "p_value": verdict.p_value,
        "verdict": verdict.verdict,
        "worst_seconds": None if verdict.worst_seconds is None else round(verdict.worst_seconds, 3),
        "supported_rate": verdict.supported_rate,
        "reason": verdict.reason or None,
        "note": "; ".join(row.notes) or None,
    }


def jsonl(rows: Iterator[FileResult]) -> None:
    """One JSON object a line; what is not known is null."""
    for row in rows:
        assert row.verdict is not None
        line = {**values_of(row), "members": dict(row.verdict.members)}
        sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
        sys.stdout.flush()


def csv(rows: Iterator[FileResult]) -> None:
    """Comma-separated values with a header; what is not known is empty. Bytes of a path that are no text stay."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    writer = csv_module.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = values_of(row)
        writer.writerow([cell(values[c]) for c in COLUMNS])
        sys.stdout.flush()


def cell(value: object) -> str:
    """A value as CSV has it."""
    if value is None:
        return ""
    return spreadsheet_cell(value) if isinstance(value, str) else str(value)


def table(rows: Iterator[FileResult]) -> None:
    """Columns of fixed width for a person; colours on a terminal. A path too long is cut at its beginning."""
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    header = f"{'id':>10}  {'score':>10}  {'p-value':>9}  {'verdict':<10}{'worst at':>10}"
    width = max(_LEAST_PATH, shutil.get_terminal_size((120, 24)).columns - len(header) - 3)
    sys.stdout.write(f"{'path':<{width}}  {header}\n")
    for row in rows:
        assert row.verdict is not None
        v = row.verdict
        path = printable(row.path)
        shown = path if len(path) <= width else f"…{path[1 - width :]}"
        id_ = printable(v.id) + ("" if v.id_known else "?")
        p = shown_p(v.p_value, v.supported_rate)
        verdict = f"{v.verdict:<10}"
        if colours:
            verdict = f"{_COLOURS[v.verdict]}{verdict}\x1b[0m"
        worst = "-" if v.worst_seconds is None else f"{v.worst_seconds:.2f} s"
        sys.stdout.write(f"{shown:<{width}}  {id_:>10}  {v.score:>10.4g}  {p:>9}  {verdict}{worst:>10}\n")
        sys.stdout.flush()


def shown_p(p_value: float | None, supported_rate: float | None) -> str:
    """A p-value for a person, as far as the clips held out support it: beyond them ``<= 0.091``."""
    if p_value is None or supported_rate is None:
        return "-"
    return f"<= {supported_rate:.2g}" if p_value <= supported_rate else f"{p_value:.3g}"
