"""Mutated CSV tables of clips: what is read of each, compared with an independent reading of the same bytes.

Ragged rows, quotes out of place, NUL, line ends of all kinds, other encodings, long fields, names like formulas, ...
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from asdkit.data import find_clips
from asdkit.errors import DataError
from tests.helpers.mutate import mutate

COLUMNS = ["path", "machine", "split", "id", "label", "domain", "note"]
KNOWN = {*COLUMNS[:-1], "section"}
LABELS = {"normal": 0, "anomaly": 1, "abnormal": 1, "anomalous": 1}
SEED = "path,machine,split,id,label\na/1.wav,fan,train,00,normal\na/2.wav,fan,test,00,Abnormal\n"
SEPARATORS = (",", ";", "\t")
NAMED = tuple(',;|x "')  # in a first line sep=
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1")
LINE_ENDS = ("\n", "\r\n", "\r")
NASTY = (
    "", " ", '"', '""', "'", ",", ";", "\t", "\n", "\r", "\0", "=1+1", "@x", "-2", "\ufeff", "\u2028", "ä", "a\u0308",
    "sep=;", "x" * 200_000, "0,5", "\x1b[2J", "\\x41", "../", "/", "NaN", "\U0001f50a", "\x85", "\u00a0",
)  # fmt: skip
Row = tuple[object, ...]


def make_table(rng: np.random.Generator) -> bytes:
    """Return a table of a few rows, with few or many faults of all kinds."""
    rate = float(rng.choice((0, 0, 0.02, 0.2)))
    columns = [name for name in COLUMNS if name in COLUMNS[:3] or rng.random() < 0.7]
    rows = [columns, *([_field(name, i, rng) for name in columns] for i in range(int(rng.integers(1, 8))))]
    separator = str(rng.choice(SEPARATORS))
    lines = []
    for row in rows:
        fields = [_changed(field, rng) if rng.random() < rate else field for field in row]
        if rng.random() < rate:
            del fields[int(rng.integers(len(fields))) :]
        if rng.random() < rate:
            fields.append(str(rng.choice(["", columns[0], "more"])))
        lines.append(separator.join(_quoted(field, separator, rng, rate) for field in fields))
    end = str(rng.choice(LINE_ENDS))
    head = f"sep={separator if rng.random() < 0.5 else rng.choice(NAMED)}{end}"
    text = (head if rng.random() < 0.1 else "") + end.join(lines) + (end if rng.random() < 0.8 else "")
    data = text.encode(str(rng.choice(ENCODINGS)) if rng.random() < 0.5 else "utf-8", "replace")
    return mutate(data, rng, len(data)) if rng.random() < 0.4 else data


def table_target(folder: Path) -> Callable[[bytes], bool]:
    """Return a function that reads a table: False if it is refused in words, or fail."""
    path = folder / "table.csv"

    def target(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            with patch("asdkit.data.scan.without_labels", lambda clips: (list(clips), [])):  # as the table has them
                clips = find_clips("csv", path)
        except DataError as error:
            faults = [line for line in error.message.splitlines() if not _names_place(line, path, data)]
            assert not faults, f"no line is named: {faults}"
            return False
        found: list[Row] = [
            (str(c.path), c.machine, c.split, c.id, c.label, c.domain, sorted(c.attributes.items())) for c in clips
        ]
        expected = [rows for mark in _separators(data) if (rows := read_plainly(data, mark, folder)) is not None]
        assert sorted(found, key=repr) in [sorted(rows, key=repr) for rows in expected], "other rows are read"
        return True

    return target


def _field(column: str, number: int, rng: np.random.Generator) -> str:
    choices: dict[str, tuple[str, ...]] = {
        "path": (f"a/{number}.wav", f"b c {number}.WAV", f"ä{number}.flac"),
        "machine": ("fan", "pump 2"),
        "split": ("train", "test", "Test"),
        "id": ("00", "id_01", ""),
        "label": ("", "normal", "Normal", "normal", "abnormal", "anomaly", "Anomalous"),
        "domain": ("", "source", "Target"),
        "note": ("", "0,5", 'a "b"', "two\nlines", "; ,", "=1+1"),
    }
    options = choices[column][:4] if column == "label" else choices[column]  # mostly tables that can be right
    return options[int(rng.integers(len(options)))]


def _changed(field: str, rng: np.random.Generator) -> str:
    nasty = NASTY[int(rng.integers(len(NASTY)))]
    at = int(rng.integers(len(field) + 1))
    return (nasty, field[:at] + nasty + field[at:], field.upper(), field + field)[int(rng.integers(4))]


def _quoted(field: str, separator: str, rng: np.random.Generator, rate: float) -> str:
    needed = any(c in field for c in (separator, '"', "\n", "\r"))
    if rng.random() < rate:
        return field if needed else f' "{field}"'
    return '"' + field.replace('"', '""') + '"' if needed or rng.random() < 0.2 else field


def _names_place(line: str, path: Path, data: bytes) -> bool:
    """Whether a fault has the table's name and a line of it, or names clips that cannot be used together."""
    if line in (f"{path}: is empty", f"{path}: no machine found"):
        return not data.strip(b'\xef\xbb\xbf\xff\xfe\0 \t\r\n";,') or b"path" in data.replace(b"\0", b"").lower()
    match = re.match(re.escape(str(path)) + r":(\d+): .", line)
    if match:
        return 1 <= int(match[1]) <= 1 + len(re.findall(b"[\r\n]", data))
    return "training clip" in line or "listed twice" in line


def _separators(data: bytes) -> list[str]:
    """Return the separators that a table may have by its first line: the one that is named, or all."""
    text = _text(data)
    named = re.match(r"(?i)sep=([^\w\s\"]|\t)(\r\n|\r|\n)", text or "")
    return [named[1]] if named else list(SEPARATORS)


def _text(data: bytes) -> str | None:
    marks = (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    )
    mark, encoding = next(((mark, name) for mark, name in marks if data.startswith(mark)), (b"", "utf-8"))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return None


def read_plainly(data: bytes, separator: str, folder: Path) -> list[Row] | None:
    """Read a table with this separator as docs/data.md describes it, character by character; None if it has faults."""
    text = _text(data)
    if text is None or "\0" in text:
        return None
    text = re.sub(r"(?i)^sep=([^\w\s\"]|\t)(\r\n|\r|\n)", "", text)
    rows = split_fields(text, separator)
    rows = None if rows is None else [row for row in ([field.strip() for field in row] for row in rows) if any(row)]
    if not rows:
        return None
    header = [name.lower() if name.lower() in KNOWN else name for name in rows[0]]
    while header and not header[-1]:
        header.pop()
    if len(set(header)) < len(header) or not {"path", "machine", "split"} <= set(header):
        return None
    clips = [_clip(dict(zip(header, row, strict=False)), folder) for row in rows[1:]]
    complete = all(len(row) >= len(header) and not any(row[len(header) :]) for row in rows[1:])
    return None if None in clips or not complete else [clip for clip in clips if clip]


def split_fields(text: str, separator: str) -> list[list[str]] | None:
    """Split a text into rows of fields (RFC 4180; blanks before a field are skipped); None for a quote out of place."""
    rows: list[list[str]] = [[]]
    at = 0
    while at < len(text):
        while at < len(text) and text[at] == " " and separator != " ":
            at += 1
        field = ""
        if text[at : at + 1] == '"':
            at += 1
            while text[at : at + 1] != '"' or text[at : at + 2] == '""':
                if at >= len(text):
                    return None
                field += text[at]
                at += 2 if text[at] == '"' else 1
            at += 1
            if at < len(text) and text[at] not in (separator, "\r", "\n"):
                return None
        else:
            end = next((i for i in range(at, len(text)) if text[i] in (separator, "\r", "\n")), len(text))
            field, at = text[at:end], end
        rows[-1].append(field)
        if at < len(text) and text[at] in "\r\n":
            at += 2 if text[at : at + 2] == "\r\n" else 1
            rows.append([])
        elif at < len(text):
            at += 1
            if at == len(text) or text[at] in "\r\n":
                rows[-1].append("")
                at += 2 if text[at : at + 2] == "\r\n" else 1
                rows.append([])
    return rows


def _clip(row: dict[str, str], folder: Path) -> Row | None:
    split, domain, label = row.get("split", "").lower(), row.get("domain", "").lower(), row.get("label", "").lower()
    if split not in ("train", "test") or domain not in ("", "source", "target") or (label and label not in LABELS):
        return None
    if not row.get("path") or not row.get("machine"):
        return None
    return (
        os.path.normpath(os.path.join(folder, row["path"])),
        _shown(row["machine"]),
        split,
        _shown(row.get("id") or row.get("section") or "00"),
        LABELS[label] if label else {"train": 0}.get(split),
        domain or None,
        sorted((name, value) for name, value in row.items() if name not in KNOWN and value),
    )


def _shown(name: str) -> str:
    """Write control characters as escapes."""
    return "".join(
        f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else f"\\u{ord(c):04x}" if c in "\u2028\u2029" else c
        for c in name
    )
