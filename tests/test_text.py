"""Errors as text."""

from __future__ import annotations

from asdkit.text import error_line, error_message


def test_an_error_is_one_printable_line() -> None:
    assert error_line(ValueError("two\nlines \x1b[1m")) == r"ValueError: two lines \x1b[1m"
    assert error_line(ValueError("long"), limit=2) == "ValueError: lo"
    assert error_message(KeyError()) == "no message"


def test_an_error_that_cannot_be_shown_has_no_message() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_line(Unprintable()) == "Unprintable: no message"
