"""Errors as text, and cells of CSV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit.text import (
    YEAR,
    duration_text,
    error_line,
    error_message,
    from_spreadsheet_cell,
    opposite,
    size_text,
    spreadsheet_cell,
    suggestion,
)


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


@pytest.mark.parametrize(
    ("size", "text"),
    [(300 << 20, "300 MiB"), (3 << 29, "1.5 GiB"), (2 << 40, "2.0 TiB"), (float("inf"), "more than 1,000 TiB")],
)
def test_sizes_have_one_unit(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (40, "40 s"),
        (720, "12 min"),
        (5 * 3600, "5 h"),
        (12 * 86400, "12 days"),
        (3 * YEAR, "3 years"),
        (float("inf"), "more than a million years"),
    ],
)
def test_times_have_one_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((word, "normal") for word in ("abnormals", "abnormal_clips", "anormal", "subnormal", "normal_not", "abnorm")),
        *((word, "anomaly") for word in ("no_anomalies", "anomaly free", "anomalyfree", "w/o anomaly", "notanomaly")),
        ("min_frequency", "max_frequency"),
        ("maximum", "minimum"),
        ("first_frame", "last_frame"),
        ("without_threads", "with_threads"),
        ("misaligned", "aligned"),
        ("asymmetric", "symmetric"),
        ("fail-on-normal", "fail-on-anomaly"),
        ("overfit", "underfit"),
    ],
)
def test_a_suggestion_is_not_the_contrary(name: str, known: str) -> None:
    assert opposite(name, known)
    assert opposite(known, name)
    assert suggestion(name, [known]) == suggestion(known, [name]) == ""


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("nomral", "normal"),
        ("normals", "normal"),
        ("anomalies", "anomaly"),
        ("sampel_rate", "sample_rate"),
        ("epoch", "epochs"),
    ],
)
def test_a_misspelt_name_gets_a_suggestion(name: str, known: str) -> None:
    assert suggestion(name, [known]) == f'; did you mean "{known}"?'
