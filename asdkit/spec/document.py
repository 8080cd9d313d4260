"""``--set a.b.c=value``: edits of the tables as written.

A spec as it is written: text -> tables with the place of every key.

Tables as they are after ``extends`` and a machine's overrides, each key with where it is written.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

from asdkit.errors import SpecError, UsageError
from asdkit.spec.diagnostics import Diagnostics, SourceLocations
from asdkit.spec.messages import is_a
from asdkit.spec.positions import MAX_DEPTH, KeyLines, KeyPath, dotted, locate, shown
from asdkit.text import nearest

NAMED = ("featurizers", "augmenters", "detectors", "systems")
"""Sections whose tables have names."""
STARTS = ("use", "extends", "members")
"""Keys that begin a table; one that has none of them is not meant as a new table."""


def apply(sets: Sequence[str], tables: dict[str, Any], places: SourceLocations) -> list[str]:
    """Edit `tables` in place, in order; return what is wrong with `sets`, a line each (those are not applied)."""
    problems: list[str] = []
    before = {section: _names(tables, section) for section in NAMED}
    made: dict[tuple[str, str], str] = {}
    for text in sets:
        try:
            path, value = _parse(text)
            _put(tables, path, value)
        except _MisfitError as misfit:
            problems.append(f"--set {_quoted(text)}: {misfit}")
            continue
        places.replaced(path, _quoted(text))
        if path[0] in NAMED and len(path) > 1:
            made.setdefault((path[0], path[1]), _quoted(text))
    for (section, name), text in made.items():
        if name in _names(tables, section) and name not in before[section]:
            table = tables[section][name]
            if isinstance(table, dict) and not any(key in table for key in STARTS):
                del tables[section][name]  # a table's name misspelt
                what = f"{dotted((section, name))}: the spec has no such table{nearest(name, before[section])}"
                problems.append(f"--set {text}: {what}")
    return problems


def _names(tables: dict[str, Any], section: str) -> list[str]:
    written = tables.get(section)
    return list(written) if isinstance(written, dict) else []


class _MisfitError(Exception):
    """Why a ``--set`` makes no sense."""


def _parse(text: str) -> tuple[tuple[str, ...], Any]:
    """Split ``key.path=value``; a value that is not TOML is taken as text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _MisfitError("not UTF-8") from None
    key, value = _split(text)
    lines = locate(f"{key}=0")
    path = max(lines.of, key=len, default=())
    if lines.too_deep or lines.broken or not path:
        raise _MisfitError("expected KEY=VALUE, with a key such as detectors.M.epochs")
    keys = tuple(str(part) for part in path)
    if locate(f"value = {value}").too_deep:
        raise _MisfitError(f"nested deeper than {MAX_DEPTH} tables or lists")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return keys, value
    return keys, parsed["value"] if parsed.keys() == {"value"} else value  # else the text brought a line of its own


def _split(text: str) -> tuple[str, str]:
    """Cut at the first ``=`` outside quotes; refuse what is no key."""
    quote = ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "=":
            return text[:at], text[at + 1 :].strip()
        elif char in "[]{}#\n":
            break
    raise _MisfitError("expected KEY=VALUE, with a key such as detectors.M.epochs")


def _put(tables: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    table = tables
    for end, key in enumerate(path[:-1], start=1):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            done: KeyPath = path[:end]
            raise _MisfitError(f"{dotted(done)} is not a table")
        table = inner
    table[path[-1]] = value


def _quoted(text: str) -> str:
    """The text as it was given, or in quotes where it would not fit one line."""
    return text if text.isprintable() else shown(text)


MAX_BYTES: Final = 1 << 20
"""Size [bytes] beyond which a file is not taken for a spec."""


@dataclass(frozen=True)
class Document:
    """A spec's text, its tables after ``--set``, and each ``--set`` that could not be applied."""

    path: Path
    text: str
    tables: dict[str, Any]
    places: SourceLocations
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
    places = SourceLocations(name, dict(lines.of))
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


def _syntax(name: str, source: str, error: Exception, lines: KeyLines) -> list[str]:
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


@dataclass(frozen=True)
class SpecTable:
    """One merged table.

    Attributes
    ----------
    path
        Where its header is: ``("detectors", "M")``.
    values
        Its keys, inherited ones included.
    written
        Where each of its keys is written.
    parent
        The table that it extends or overrides.
    whole
        False where what it extends is not there, so that nothing can be called missing.
    """

    path: KeyPath
    values: Mapping[str, Any]
    written: Mapping[str, KeyPath]
    parent: SpecTable | None = None
    whole: bool = True

    @property
    def name(self) -> str:
        """What the table is called."""
        return str(self.path[-1])

    def fault(self, faults: Diagnostics, below: KeyPath, text: str, *, plugin: bool = False, hint: str = "") -> None:
        """Note a fault of the key `below` the table."""
        shown_as = (*self.path, *below)
        base = self.written.get(str(below[0])) if below else None
        written = shown_as if base is None else (*base, *below[1:])
        faults.add(written, text, shown=shown_as, plugin=plugin, hint=hint)

    def only(self, keys: tuple[str, ...]) -> dict[str, Any]:
        """Those of `keys` that the table has."""
        return {key: value for key, value in self.values.items() if key in keys}

    def inner(self, key: str) -> SpecTable:
        """The inline table under `key`, as a table of its own."""
        base = self.written[key]
        values: dict[str, Any] = self.values[key]
        return SpecTable((*self.path, key), values, {name: (*base, name) for name in values}, whole=self.whole)

    def replaced_by(self, path: KeyPath, values: Mapping[str, Any]) -> SpecTable:
        """The table at `path`, whose `values` replace this one's."""
        written = {**self.written, **{key: (*path, key) for key in values}}
        return SpecTable(path, {**self.values, **values}, written, self, self.whole)

    def inherits_lack_of(self, key: str) -> bool:
        """Whether the table that this one continues lacks `key` too, for the same plugin: it says so itself."""
        if self.parent is None:
            return False
        return key not in self.parent.values and self.parent.values.get("use") == self.values.get("use")


def inherit(section: str, tables: Mapping[str, Mapping[str, Any]], faults: Diagnostics) -> dict[str, SpecTable]:
    """Merge each table of a section with what it extends."""
    done: dict[str, SpecTable] = {}
    for name in tables:
        chain = {name: None}  # an ordered set: a table, what it extends, what that extends ...
        here = name
        while here not in done and "extends" in tables[here]:
            wrong = _cannot_extend(tables[here]["extends"], here, tables, chain)
            if wrong:
                faults.add((section, here, "extends"), wrong)
                done[here] = replace(_alone(section, here, tables[here]), whole=False)
            else:
                here = tables[here]["extends"]
                chain[here] = None
        for each in reversed(chain):
            if each not in done:
                lone = _alone(section, each, tables[each])
                parent = tables[each].get("extends")
                done[each] = done[parent].replaced_by(lone.path, lone.values) if parent else lone
    return {name: done[name] for name in tables}


def _alone(section: str, name: str, table: Mapping[str, Any]) -> SpecTable:
    values = {key: value for key, value in table.items() if key != "extends"}
    return SpecTable((section, name), values, {key: (section, name, key) for key in values})


def _cannot_extend(parent: object, name: str, tables: Mapping[str, object], chain: Iterable[str]) -> str:
    """Why a table cannot extend `parent`; empty where it can."""
    if not isinstance(parent, str):
        return is_a(parent, "the name of a table beside it")
    if parent not in tables:
        others = [other for other in tables if other != name]
        return f"there is no table {shown(parent)} here{nearest(parent, others)}"
    if parent in chain:
        cycle = [*dropwhile(lambda each: each != parent, chain), parent]
        return f"goes round in a circle: {' -> '.join(cycle)}"
    return ""
