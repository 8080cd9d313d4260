"""Result rows of score, watch and listen on standard output: JSON lines, CSV or a table, flushed row by row."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asdkit.cli.console import DASH
from asdkit.cli.options import Format
from asdkit.text import csv_line, printable

if TYPE_CHECKING:
    from asdkit.bundle import Verdict
    from asdkit.bundle.score_recordings import FileResult
    from asdkit.bundle.stream import WindowResult

_FIGURES = f"{'id':>10}  {'score':>10}  {'p-value':>9}  {'verdict':<10}{'worst at':>10}"
_COLOURS = {"anomalous": "\x1b[1;31m", "undecided": "\x1b[33m", "normal": "\x1b[32m", "bad": "\x1b[33m"}
_MIN_PATH_WIDTH = 20


@dataclass(frozen=True)
class Columns:
    """Columns of the rows of files or windows.

    Attributes
    ----------
    names
        Columns of CSV; JSON has ``members`` too.
    heading
        Of the table's first column.
    right
        Whether that column is aligned to the right.
    width
        Of that column; 0: the rest of the terminal's width.
    """

    names: tuple[str, ...]
    heading: str
    right: bool
    width: int


FILE_COLUMNS = Columns(
    (
        "path", "id", "id_known", "score", "p_value", "verdict", "worst_seconds", "supported_rate", "reason", "note",
    ),
    "path", right=False, width=0,
)  # fmt: skip
WINDOW_COLUMNS = Columns(
    (
        "time", "begin", "seconds", "id", "id_known", "score", "p_value", "verdict", "alarm", "worst_seconds",
        "supported_rate", "gaps", "reconnects", "reason",
    ),
    "from", right=True, width=10,
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One result.

    Attributes
    ----------
    values
        By column; None where unknown.
    members
        Clip score of each member; None without a verdict.
    first
        Text of the table's first column.
    worst_seconds
        As the table shows it.
    remark
        Text after the table's last column.
    """

    values: dict[str, Any]
    members: dict[str, float] | None
    first: str
    worst_seconds: float | None
    remark: str = ""


def file_row(result: FileResult) -> Row:
    """Return the row of a scored file."""
    verdict = result.verdict
    assert verdict is not None
    values = {
        "path": result.path,
        **_figures(verdict),
        "supported_rate": verdict.supported_rate,
        "reason": verdict.reason or None,
        "note": "; ".join(result.notes) or None,
    }
    return Row(values, dict(verdict.members), printable(result.path), verdict.worst_seconds)


def window_row(result: WindowResult, gaps: int, reconnects: int) -> Row:
    """Return the row of a window; `gaps` and `reconnects` are counts of the stream so far."""
    verdict = result.verdict
    figures = _figures(verdict)
    values = {
        "time": datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="seconds"),
        "begin": round(result.begin, 3),
        "seconds": round(result.seconds, 3),
        **figures,
        "alarm": result.alarm,
        "supported_rate": verdict.supported_rate if verdict else None,
        "gaps": gaps,
        "reconnects": reconnects,
        "reason": (verdict.reason if verdict else result.reason) or None,
    }
    values = {column: values[column] for column in WINDOW_COLUMNS.names}
    remark = ("  ALARM" if result.alarm else "") + ("" if verdict else f"  {values['reason']}")
    members = dict(verdict.members) if verdict else None
    return Row(values, members, clock(values["begin"]), figures["worst_seconds"], remark)


def _figures(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return dict.fromkeys(("id", "id_known", "score", "p_value")) | {"verdict": "bad", "worst_seconds": None}
    worst = verdict.worst_seconds
    return {
        "id": verdict.id,
        "id_known": verdict.id_known,
        "score": verdict.score,
        "p_value": verdict.p_value,
        "verdict": verdict.verdict,
        "worst_seconds": None if worst is None else round(worst, 3),
    }


def write_rows(format_: Format | None, columns: Columns, rows: Iterable[Row]) -> None:
    """Write rows in a format; None: a table on a terminal, JSON lines elsewhere.

    Rows that are appended to a file go on in it: a last line that was cut short is ended, and CSV has one header.
    """
    chosen = format_ or (Format.table if sys.stdout.isatty() else Format.jsonl)
    _end_last_line()
    begin = {Format.table: _begin_table, Format.jsonl: _begin_jsonl, Format.csv: _begin_csv}[chosen]
    write = begin(columns)
    for row in _aside(rows):
        write(row)
        sys.stdout.flush()


def _aside(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows; what plugins print while a row is made goes to standard error."""
    rows = iter(rows)
    while True:
        with redirect_stdout(sys.stderr):
            row = next(rows, None)
        if row is None:
            return
        yield row


def _begin_jsonl(columns: Columns) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        sys.stdout.write(json.dumps({**row.values, "members": row.members}, allow_nan=False) + "\n")

    return write


def _begin_csv(columns: Columns) -> Callable[[Row], None]:
    """Write a header, unless the file has it; bytes of a path that are not UTF-8 are written as they are."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    header = csv_line(columns.names)
    if not _begins_with(header.encode()):
        sys.stdout.write(header)

    def write(row: Row) -> None:
        sys.stdout.write(csv_line(row.values[column] for column in columns.names))

    return write


def _begins_with(line: bytes) -> bool:
    """Return whether rows are appended to a file that begins with this line."""
    return _read_appended_file(0, len(line)) == line


def _end_last_line() -> None:
    """Write a line break behind a line that a killed process left cut short in the file."""
    if _read_appended_file(-1, 1) not in (b"", b"\n"):
        sys.stdout.write("\n")


def _read_appended_file(offset: int, size: int) -> bytes:
    """Read from the file that standard output appends to (from its end if negative); nothing if it is none."""
    try:
        descriptor = sys.stdout.fileno()
        length = os.fstat(descriptor).st_size
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or length < abs(offset):
            return b""
        with open(f"/dev/fd/{descriptor}", "rb") as file:
            file.seek(offset % length if length else 0)
            return file.read(size)
    except (OSError, ValueError):  # no descriptor, or a system without /dev/fd
        return b""


def _begin_table(columns: Columns) -> Callable[[Row], None]:
    """Write a header of columns of fixed width; verdicts are coloured on a terminal."""
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = columns.width
    if not width:
        width = max(_MIN_PATH_WIDTH, shutil.get_terminal_size((120, 24)).columns - len(_FIGURES) - 3)
    align = str.rjust if columns.right else str.ljust
    sys.stdout.write(f"{align(columns.heading, width)}  {_FIGURES}\n")

    def write(row: Row) -> None:
        first = row.first if len(row.first) <= width else f"…{row.first[1 - width :]}"
        sys.stdout.write(f"{align(first, width)}  {_table_figures(row, colours)}{row.remark}\n")

    return write


def _table_figures(row: Row, colours: bool) -> str:
    values = row.values
    id_ = DASH if values["id"] is None else printable(values["id"]) + ("" if values["id_known"] else "?")
    score = DASH if values["score"] is None else f"{values['score']:.4g}"
    p_value = _p_value(values["p_value"], values["supported_rate"])
    verdict = f"{values['verdict']:<10}"
    if colours:
        verdict = f"{_COLOURS[values['verdict']]}{verdict}\x1b[0m"
    worst = DASH if row.worst_seconds is None else f"{row.worst_seconds:.2f} s"
    return f"{id_:>10}  {score:>10}  {p_value:>9}  {verdict}{worst:>10}"


def _p_value(p_value: float | None, supported_rate: float | None) -> str:
    """Format a p-value; below the rate that the held-out clips support only as a bound: ``<= 0.091``."""
    if p_value is None or supported_rate is None:
        return DASH
    return f"<= {supported_rate:.2g}" if p_value <= supported_rate else f"{p_value:.3g}"


def clock(seconds: float) -> str:
    """Format ``3725.5`` as ``1:02:05.5``."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}"
