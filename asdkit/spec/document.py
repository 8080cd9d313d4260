"""From a file to merged tables: read TOML, apply ``--set``, then ``extends`` and the overrides of machines."""

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
from asdkit.spec.messages import wrong_type
from asdkit.spec.positions import MAX_DEPTH, KeyLines, KeyPath, dotted, locate, quoted
from asdkit.text import suggestion_or_choices

NAMED = ("featurizers", "augmenters", "detectors", "systems")
"""Sections whose tables have names."""

MAX_BYTES: Final = 1 << 20
"""Largest file that is read as a spec [bytes]."""

_ESSENTIAL = ("use", "extends", "members")  # a new table has at least one of these keys
_SET_FORM = "expected KEY=VALUE, with a key such as detectors.M.epochs"
_TOML_HINTS = {
    "Invalid value": 'text needs quotes, as in use = "log-mel"; true and false are lower case',
    "Invalid statement": "expected key = value, or a table's header such as [detectors.M]",
    "Unclosed array": "a comma or ] is missing",
    "Unclosed inline table": "a comma or } is missing",
}


@dataclass(frozen=True)
class Document:
    """A spec's text, its tables after ``--set``, and a line for each ``--set`` that cannot be applied."""

    path: Path
    text: str
    tables: dict[str, Any]
    locations: SourceLocations
    set_faults: list[str]


@dataclass(frozen=True)
class SpecTable:
    """One table, merged with those that it extends or overrides.

    Attributes
    ----------
    path
        Path of its header: ``("detectors", "M")``.
    values
        Its keys and values, inherited ones included.
    written
        Path where each of its keys is written.
    parent
        The table that it extends or overrides.
    complete
        False if a table that it extends does not exist; then no key is reported as missing.
    """

    path: KeyPath
    values: Mapping[str, Any]
    written: Mapping[str, KeyPath]
    parent: SpecTable | None = None
    complete: bool = True

    @property
    def name(self) -> str:
        """Name of the table."""
        return str(self.path[-1])

    def fault(self, faults: Diagnostics, below: KeyPath, text: str, *, plugin: bool = False, hint: str = "") -> None:
        """Add a fault of the key `below` this table."""
        key = (*self.path, *below)
        base = self.written.get(str(below[0])) if below else None
        written = key if base is None else (*base, *below[1:])
        faults.add(written, text, key=key, plugin=plugin, hint=hint)

    def select(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those `keys` that the table has."""
        return {key: value for key, value in self.values.items() if key in keys}

    def subtable(self, key: str) -> SpecTable:
        """Return the inline table under `key`."""
        base = self.written[key]
        values: dict[str, Any] = self.values[key]
        written = {name: (*base, name) for name in values}
        return SpecTable((*self.path, key), values, written, complete=self.complete)

    def overridden(self, path: KeyPath, values: Mapping[str, Any]) -> SpecTable:
        """Return the table at `path`, in which `values` replace those of this table."""
        written = {**self.written, **{key: (*path, key) for key in values}}
        return SpecTable(path, {**self.values, **values}, written, self, self.complete)

    def requires(self, key: str) -> bool:
        """Whether to report `key` as missing here: not if the parent lacks it too, for the same plugin."""
        if not self.complete:
            return False
        parent = self.parent
        return parent is None or key in parent.values or parent.values.get("use") != self.values.get("use")


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
        raise SpecError.of(_syntax_faults(name, source, error, lines)) from None
    locations = SourceLocations(name, dict(lines.lines))
    set_faults = apply_sets(sets, tables, locations)
    return Document(path, text, tables, locations, set_faults)


def apply_sets(sets: Sequence[str], tables: dict[str, Any], locations: SourceLocations) -> list[str]:
    """Apply each ``--set`` to `tables` in place, in order.

    Returns
    -------
    faults
        A line for each ``--set`` that cannot be applied.
    """
    faults: list[str] = []
    before = {section: _names(tables, section) for section in NAMED}
    new: dict[tuple[str, str], str] = {}
    for option in sets:
        try:
            path, value = _parse_set(option)
            _assign(tables, path, value)
        except _SetError as error:
            faults.append(f"--set {_one_line(option)}: {error}")
            continue
        locations.overwrite(path, _one_line(option))
        if path[0] in NAMED and len(path) > 1:
            new.setdefault((path[0], path[1]), _one_line(option))
    for (section, name), option in new.items():
        if name in _names(tables, section) and name not in before[section]:
            table = tables[section][name]
            if isinstance(table, dict) and not any(key in table for key in _ESSENTIAL):
                del tables[section][name]  # the name of an existing table, misspelt
                choices = suggestion_or_choices(name, before[section])
                faults.append(f"--set {option}: {dotted((section, name))}: the spec has no such table{choices}")
    return faults


def inherit(section: str, tables: Mapping[str, Mapping[str, Any]], faults: Diagnostics) -> dict[str, SpecTable]:
    """Merge each table of a section with the table that it extends."""
    merged: dict[str, SpecTable] = {}
    for name in tables:
        chain = {name: None}  # an ordered set: a table, the one that it extends, and so on
        last = name
        while last not in merged and "extends" in tables[last]:
            fault = _extends_fault(tables[last]["extends"], last, tables, chain)
            if fault:
                faults.add((section, last, "extends"), fault)
                merged[last] = replace(_own_table(section, last, tables[last]), complete=False)
            else:
                last = tables[last]["extends"]
                chain[last] = None
        for each in reversed(chain):
            if each not in merged:
                own = _own_table(section, each, tables[each])
                parent = tables[each].get("extends")
                merged[each] = merged[parent].overridden(own.path, own.values) if parent else own
    return {name: merged[name] for name in tables}


def _own_table(section: str, name: str, table: Mapping[str, Any]) -> SpecTable:
    values = {key: value for key, value in table.items() if key != "extends"}
    return SpecTable((section, name), values, {key: (section, name, key) for key in values})


def _extends_fault(parent: object, name: str, tables: Mapping[str, object], chain: Iterable[str]) -> str:
    """Return why a table cannot extend `parent`; empty if it can."""
    if not isinstance(parent, str):
        return wrong_type(parent, "the name of a table beside it")
    if parent not in tables:
        others = [other for other in tables if other != name]
        return f"there is no table {quoted(parent)} here{suggestion_or_choices(parent, others)}"
    if parent in chain:
        cycle = [*dropwhile(lambda each: each != parent, chain), parent]
        return f"circular: {' -> '.join(cycle)}"
    return ""


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            folder = path if stat.S_ISDIR(mode) else path.parent
            raise UsageError(f"{path} is {kind}; expected a spec in TOML{_specs_in(folder, 'spec.toml')}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no such file: {path}{_specs_in(path.parent, path.name)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"cannot read {path}: {reason}") from None
    if len(data) > MAX_BYTES:
        raise SpecError.of([f"{path}:1: larger than {MAX_BYTES >> 10} KiB, which is too large for a spec"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError.of([f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}); save it as UTF-8"]) from None


def _specs_in(folder: Path, name: str) -> str:
    """Suggest a TOML file in `folder` for `name`."""
    try:
        return suggestion_or_choices(name, sorted(p.name for p in folder.glob("*.toml")))
    except OSError:
        return ""


def _syntax_faults(name: str, source: str, error: Exception, lines: KeyLines) -> list[str]:
    """Return what is not TOML, where, and what was expected."""
    if lines.repeated and isinstance(error, tomllib.TOMLDecodeError):
        return [
            f"{name}:{second}: {dotted(path)}: written twice, first on line {first}; keep one"
            for path, first, second in lines.repeated
        ]
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    if match is None:  # a number with thousands of digits
        return [f"{name}:1: not valid TOML: {error}"]
    message, line, column = match.groups()
    if line is None:
        last, reason = lines.broken or (source.count("\n") + 1, f"{message}, at the end of the file")
        return [f"{name}:{last}: not valid TOML: {reason}"]
    hint = next((f"; {text}" for begin, text in _TOML_HINTS.items() if message.startswith(begin)), "")
    return [f"{name}:{line}: not valid TOML: {message} (column {column}){hint}"]


class _SetError(Exception):
    """Why a ``--set`` cannot be applied."""


def _names(tables: dict[str, Any], section: str) -> list[str]:
    written = tables.get(section)
    return list(written) if isinstance(written, dict) else []


def _parse_set(option: str) -> tuple[tuple[str, ...], Any]:
    """Parse ``key.path=value``; a value that is not TOML is a text."""
    try:
        option.encode()
    except UnicodeEncodeError:
        raise _SetError("not UTF-8") from None
    key, value = _split_set(option)
    lines = locate(f"{key}=0")
    path = max(lines.lines, key=len, default=())
    if lines.too_deep or lines.broken or not path:
        raise _SetError(_SET_FORM)
    keys = tuple(str(part) for part in path)
    if locate(f"value = {value}").too_deep:
        raise _SetError(f"nested deeper than {MAX_DEPTH} tables or lists")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return keys, value
    # A text with a line break may add keys of its own.
    return keys, parsed["value"] if parsed.keys() == {"value"} else value


def _split_set(option: str) -> tuple[str, str]:
    """Split at the first ``=`` outside quotes; refuse what is not a key."""
    quote = ""
    for position, char in enumerate(option):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "=":
            return option[:position], option[position + 1 :].strip()
        elif char in "[]{}#\n":
            break
    raise _SetError(_SET_FORM)


def _assign(tables: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    table = tables
    for end, key in enumerate(path[:-1], start=1):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise _SetError(f"{dotted(path[:end])} is not a table")
        table = inner
    table[path[-1]] = value


def _one_line(option: str) -> str:
    """Return a ``--set`` as it was given, or in quotes if it does not fit on one line."""
    return option if option.isprintable() else quoted(option)
