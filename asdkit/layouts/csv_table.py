"""CSV files as spreadsheets and scripts write them: separator, encoding and byte order mark are recognised."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from asdkit.errors import DataError
from asdkit.text import printable

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = "\t;,"  # the first of those that occur most often in the first lines
_LOOKED_AT = 20  # lines
_LINE_END = re.compile(r"\r\n|\r|\n")
_NAMED = re.compile(r"sep=([^\w\s\"]|\t)(\r\n|\r|\n)", re.IGNORECASE)  # a first line that Excel writes and honours
_QUOTED = re.compile(r'"[^"]*"')


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each row that is not empty; blanks around fields are removed.

    Raises
    ------
    DataError
        If the file cannot be read, is neither UTF-8 nor marked as UTF-16 or UTF-32, or is not a CSV table.
    """
    where = printable(str(path))
    try:
        text = _decoded(path.read_bytes(), where)
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}") from None
    named = _NAMED.match(text)
    skipped = 1 if named else 0
    reader = csv.reader(
        io.StringIO(text[named.end() :] if named else text, newline=""),
        delimiter=named[1] if named else separator(text),
        skipinitialspace=True,
        strict=True,
    )
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if any(fields):
                yield reader.line_num + skipped, fields
    except csv.Error as error:
        raise DataError(f"{where}:{reader.line_num + skipped}: not a row of a CSV table: {error}") from None


def separator(text: str) -> str:
    """Recognise the separator of fields from the first lines of a table: comma, semicolon or tab.

    Of separators that occur equally often the comma is the last: with semicolons it is a decimal comma.
    """
    lines = _QUOTED.sub("", "\n".join(_LINE_END.split(text, _LOOKED_AT)[:_LOOKED_AT]))
    counts = {character: lines.count(character) for character in _SEPARATORS}
    most = max(counts.values())
    return next(character for character, count in counts.items() if count == most) if most else ","


def _decoded(data: bytes, where: str) -> str:
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "ignore")
        raise DataError(
            f"{where}:{_line_at_end(before)}: not {encoding.removesuffix('-sig').upper()}",
            hint="Save the table as UTF-8.",
        ) from None
    before, nul, _ = text.partition("\0")
    if nul:
        raise DataError(
            f"{where}:{_line_at_end(before)}: not text: a NUL character", hint="Save the table as CSV in UTF-8."
        )
    return text


def _line_at_end(text: str) -> int:
    return len(_LINE_END.findall(text)) + 1
