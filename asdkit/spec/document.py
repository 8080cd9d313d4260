"""A spec as it is written: text -> tables with the place of every key."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asdkit.errors import SpecError, UsageError
from asdkit.naming import nearest
from asdkit.spec.faults import Places
from asdkit.spec.overrides import apply
from asdkit.spec.positions import MAX_DEPTH, Lines, dotted, locate

MAX_BYTES: Final = 1 << 20
"""Size [bytes] beyond which a file is not taken for a spec."""


@dataclass(frozen=True)
class Document:
    """A spec's text, its tables after ``--set``, and each ``--set`` that could not be applied."""

    path: Path
    text: str
    tables: dict[str, Any]
    places: Places
    misfits: list[str]


def open_document(path: Path, sets: Sequence[str]) -> Document:
    """Read a spec and apply ``--set``.

    Raises
    ------
    UsageError
        If there is no such file, or it cannot be read.
    SpecError
        If it is not TOML.
    """
    text = _read(path)
    name = str(path)
    source = text.replace("\r\n", "\n")
    lines = locate(source)
    if lines.too_deep is not None:
        raise SpecError.of([f"{name}:{lines.too_deep}: nested deeper than {MAX_DEPTH} tables or lists"])
    try:
        tables = tomllib.loads(source)
    except (ValueError, RecursionError) as error:
        raise SpecError.of(_syntax(name, source, error, lines)) from None
    places = Places(name, dict(lines.of))
    misfits = apply(sets, tables, places)
    return Document(path, text, tables, places, misfits)


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
            near = path if stat.S_ISDIR(mode) else path.parent
            raise UsageError(f"{path} {what}; expected a spec in TOML{_others(near, 'spec.toml')}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no such file: {path}{_others(path.parent, path.name)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"cannot read {path}: {reason}") from None
    if len(data) > MAX_BYTES:
        raise SpecError.of([f"{path}:1: larger than {MAX_BYTES >> 10} KiB, so hardly a spec"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError.of([f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}); save it as UTF-8"]) from None


def _others(folder: Path, name: str) -> str:
    """Specs that lie in `folder`, the one most like `name` first."""
    try:
        return nearest(name, sorted(p.name for p in folder.glob("*.toml")))
    except OSError:
        return ""


_HINTS = {
    "Invalid value": 'text needs quotes, as in use = "log-mel"; true and false are written small',
    "Invalid statement": "expected key = value, or a table's header such as [detectors.M]",
    "Unclosed array": "a comma or ] is missing",
    "Unclosed inline table": "a comma or } is missing",
}


def _syntax(name: str, source: str, error: Exception, lines: Lines) -> list[str]:
    """Say what is not TOML, where, and what was expected."""
    if lines.repeated and isinstance(error, tomllib.TOMLDecodeError):
        return [
            f"{name}:{again}: {dotted(path)}: written twice, first on line {first}; keep one"
            for path, first, again in lines.repeated
        ]
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    if match is None:  # a number of thousands of digits
        return [f"{name}:1: not valid TOML: {error}"]
    what, line, column = match.groups()
    if line is None:
        at, reason = lines.broken or (source.count("\n") + 1, f"{what}, at the end of the file")
        return [f"{name}:{at}: not valid TOML: {reason}"]
    hint = next((text for begin, text in _HINTS.items() if what.startswith(begin)), "")
    return [f"{name}:{line}: not valid TOML: {what} (column {column})" + (f"; {hint}" if hint else "")]
