"""Standard streams that tolerate a closed pipe, messages on standard error, and tables on standard output."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import typer

from asdkit.text import printable

DASH = "-"


def open_standard_streams() -> None:
    r"""Make standard streams that accept any text, closed ones and ones of another encoding than UTF-8 included.

    A closed stream (``asdkit ... >&-``) is replaced by ``os.devnull``: otherwise the next opened file would get its
    number. Characters that an encoding lacks are written as ``\uXXXX``.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115 (stays open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def pipe_closed(stream: TextIO) -> bool:
    """Whether the reader of a standard stream has closed the pipe."""
    return bool(getattr(stream, "pipe_closed", False))


class PipeSafeStream:
    """A stream that discards output once its reader has closed the pipe (``asdkit ... | head -1``).

    Work and exit code are the same as with a reader.

    Attributes
    ----------
    pipe_closed
        Whether the reader has closed the pipe. Commands that run until stopped end then.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.pipe_closed = False

    def write(self, text: str) -> int:
        """Write, or discard if the pipe is closed."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Flush, or discard if the pipe is closed."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._discard()

    def close(self) -> None:
        """Flush; the stream stays open, even if a plugin closes ``sys.stdout``."""
        self.flush()

    def _discard(self) -> None:
        self.pipe_closed = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, self._stream.fileno())
        os.close(devnull)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def message(line: str) -> None:
    """Print a line on standard error."""
    typer.echo(line, err=True)


def note(text: str) -> None:
    """Print a note on standard error."""
    message(f"note: {text}")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table: drawn on a terminal, aligned plain lines elsewhere. Unprintable characters are escaped."""
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
