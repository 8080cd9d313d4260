"""Tables as they are after ``extends`` and a machine's overrides, each key with where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Any

from asdkit.naming import nearest
from asdkit.spec.faults import Faults
from asdkit.spec.plain import is_a
from asdkit.spec.positions import KeyPath, shown


@dataclass(frozen=True)
class Table:
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
    parent: Table | None = None
    whole: bool = True

    @property
    def name(self) -> str:
        """What the table is called."""
        return str(self.path[-1])

    def fault(self, faults: Faults, below: KeyPath, text: str, *, plugin: bool = False, hint: str = "") -> None:
        """Note a fault of the key `below` the table."""
        shown_as = (*self.path, *below)
        base = self.written.get(str(below[0])) if below else None
        written = shown_as if base is None else (*base, *below[1:])
        faults.add(written, text, shown=shown_as, plugin=plugin, hint=hint)

    def only(self, keys: tuple[str, ...]) -> dict[str, Any]:
        """Those of `keys` that the table has."""
        return {key: value for key, value in self.values.items() if key in keys}

    def inner(self, key: str) -> Table:
        """The inline table under `key`, as a table of its own."""
        base = self.written[key]
        values: dict[str, Any] = self.values[key]
        return Table((*self.path, key), values, {name: (*base, name) for name in values}, whole=self.whole)

    def replaced_by(self, path: KeyPath, values: Mapping[str, Any]) -> Table:
        """The table at `path`, whose `values` replace this one's."""
        written = {**self.written, **{key: (*path, key) for key in values}}
        return Table(path, {**self.values, **values}, written, self, self.whole)

    def inherits_lack_of(self, key: str) -> bool:
        """Whether the table that this one continues lacks `key` too, for the same plugin: it says so itself."""
        if self.parent is None:
            return False
        return key not in self.parent.values and self.parent.values.get("use") == self.values.get("use")


def inherit(section: str, tables: Mapping[str, Mapping[str, Any]], faults: Faults) -> dict[str, Table]:
    """Merge each table of a section with what it extends."""
    done: dict[str, Table] = {}
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


def _alone(section: str, name: str, table: Mapping[str, Any]) -> Table:
    values = {key: value for key, value in table.items() if key != "extends"}
    return Table((section, name), values, {key: (section, name, key) for key in values})


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
