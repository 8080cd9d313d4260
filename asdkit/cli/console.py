"""Output into a pipe that nobody reads any more: work and exit code are as if somebody did.

Tables: drawn on a terminal, aligned plain lines in a pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from asdkit.run import Results


def open_standard_streams() -> None:
    """Let nothing stand where a standard stream is closed (``asdkit ... >&-``): another file would get its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115 (for good)


class PipeSafeStream:
    """A stream that falls silent, instead of failing, once its reader has left (``asdkit ... | head -1``)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.left = False  # whether the reader has; commands without an end ask

    def write(self, text: str) -> int:
        """Write, if anybody listens."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        """Flush, if anybody listens."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._silence()

    def _silence(self) -> None:
        self.left = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


DASH = "-"


def results_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """One row a member and system, one column a machine, and their mean; cells ``AUC (pAUC)`` in per cent.

    A mean over fewer machines than another row's says over how many.
    """
    from asdkit.metrics import partial_means

    machines = sorted(results.scores)
    partial = {(m.name, m.kind): f" of {m.of}/{most}" for m, most in partial_means(results.means)}
    cells = {(m.name, m.kind, m.machine): (m.auc, m.pauc) for m in results.means}
    rows = []
    for kind, names in (("member", results.members), ("system", results.systems)):
        for name in names:
            figures = [cells.get((name, kind, machine)) for machine in (*machines, None)]
            *each, mean = map(_cell, figures)
            rows.append([name, kind, *each, mean + partial.get((name, kind), "")])
    return ["", "", *machines, "mean"], rows


def _cell(figures: tuple[float | None, float | None] | None) -> str:
    if figures is None or figures[0] is None or figures[1] is None:
        return DASH
    return f"{100 * figures[0]:.2f} ({100 * figures[1]:.2f})"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table to standard output; names may hold anything."""
    from asdkit.text import printable

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
