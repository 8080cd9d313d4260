"""``--set a.b.c=value``: edits of the tables as written."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from asdkit.naming import nearest
from asdkit.spec.faults import Places
from asdkit.spec.positions import MAX_DEPTH, KeyPath, dotted, locate, shown

NAMED = ("featurizers", "augmenters", "detectors", "systems")
"""Sections whose tables have names."""
STARTS = ("use", "extends", "members")
"""Keys that begin a table; one that has none of them is not meant as a new table."""


def apply(sets: Sequence[str], tables: dict[str, Any], places: Places) -> list[str]:
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
