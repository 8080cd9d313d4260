"""Tables: drawn on a terminal, aligned plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asdkit.run import Results

DASH = "-"


def results_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """One row a member and system, one column a machine, and their mean; cells ``AUC (pAUC)`` in per cent.

    A mean over fewer machines than another row's says over how many.
    """
    machines = sorted(results.scores)
    over = {(m.name, m.kind): m.of for m in results.means if m.machine is None}
    most = max(over.values(), default=0)
    cells = {(m.name, m.kind, m.machine): (m.auc, m.pauc) for m in results.means}
    rows = []
    for kind, names in (("member", results.members), ("system", results.systems)):
        for name in names:
            figures = [cells.get((name, kind, machine)) for machine in (*machines, None)]
            of = over.get((name, kind), 0)
            fewer = f" of {of}/{most}" if 0 < of < most else ""
            *each, mean = map(_cell, figures)
            rows.append([name, kind, *each, mean + fewer])
    return ["", "", *machines, "mean"], rows


def _cell(figures: tuple[float | None, float | None] | None) -> str:
    if figures is None or figures[0] is None or figures[1] is None:
        return DASH
    return f"{100 * figures[0]:.2f} ({100 * figures[1]:.2f})"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table to standard output; names may hold anything."""
    from asdkit.naming import printable

    title, header, rows = printable(title), [*map(printable, header)], [[*map(printable, row)] for row in rows]
    if sys.stdout.isatty():
        _draw(header, rows, title)
        return
    if title:
        sys.stdout.write(f"{title}\n")
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _draw(header: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD)
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
