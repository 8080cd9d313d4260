"""Errors as text, and cells of CSV."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asdkit.text import error_line, error_message, from_spreadsheet_cell, spreadsheet_cell


def test_an_error_is_one_printable_line() -> None:
    assert error_line(ValueError("two\nlines \x1b[1m")) == r"ValueError: two lines \x1b[1m"
    assert error_line(ValueError("long"), limit=2) == "ValueError: lo"
    assert error_message(KeyError()) == "no message"


def test_an_error_that_cannot_be_shown_has_no_message() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_line(Unprintable()) == "Unprintable: no message"


@given(st.text() | st.text(alphabet="'=+-@\\\\xu0a1\\n"))
def test_names_survive_spreadsheet_cells(name: str) -> None:
    cell = spreadsheet_cell(name)
    assert from_spreadsheet_cell(cell) == name
    assert not cell.startswith(("=", "+", "-", "@"))
    assert cell.isprintable() or not any(ord(c) < 32 for c in cell)
