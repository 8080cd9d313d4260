"""Faults of a spec, collected so that all are told at once, each where it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asdkit.errors import PluginError, SpecError
from asdkit.spec.positions import KeyPath, dotted

SourceLocation = int | str
"""A line of the file, or the text of the ``--set`` that wrote a key."""


@dataclass
class SourceLocations:
    """Where each key was written.

    Attributes
    ----------
    name
        The file, as the person named it.
    of
        SourceLocation of each key that is written down.
    """

    name: str
    of: dict[KeyPath, SourceLocation] = field(default_factory=dict)

    def nearest(self, path: KeyPath) -> SourceLocation:
        """Place of a key; of one that is not written, that of its table."""
        while path and path not in self.of:
            path = path[:-1]
        return self.of.get(path, 1)

    def where(self, path: KeyPath) -> str:
        """``"spec.toml:57"``, or ``"--set detectors.M.epochs=2"``."""
        return self.text(self.nearest(path))

    def text(self, place: SourceLocation) -> str:
        """Write a place as a person reads it."""
        return f"{self.name}:{place}" if isinstance(place, int) else f"--set {place}"

    def replaced(self, path: KeyPath, by: str) -> None:
        """Note that ``--set`` wrote `path` anew, with all below it."""
        for old in [p for p in self.of if p[: len(path)] == path]:
            del self.of[old]
        for end in range(1, len(path)):
            self.of.setdefault(path[:end], by)
        self.of[path] = by


@dataclass(frozen=True)
class _Fault:
    place: SourceLocation
    text: str
    plugin: bool
    hint: str


class Diagnostics:
    """The faults found so far; `misfits` are lines that say of a ``--set`` that it cannot be applied."""

    def __init__(self, places: SourceLocations, misfits: Sequence[str] = ()) -> None:
        self.places = places
        self._misfits = misfits
        self._found: dict[tuple[KeyPath, str], _Fault] = {}
        self._unusable: list[KeyPath] = []

    def add(
        self, written: KeyPath, text: str, *, shown: KeyPath | None = None, plugin: bool = False, hint: str = ""
    ) -> None:
        """Note a fault, once.

        Parameters
        ----------
        written
            The key at fault, where it is written.
        text
            What is wrong; what was expected.
        shown
            The key as the table at fault has it, where it is inherited from another.
        plugin
            Whether the plugin is at fault, not the spec.
        hint
            What to do about a plugin's fault.
        """
        if any(written[: len(path)] == path for path in self._unusable):
            return
        line = f"{dotted(shown or written)}: {text}"
        if shown not in (None, written):
            if (written, text) in self._found:
                return  # the table that it is inherited from says it already
            line += f" (inherited from {dotted(_owner(written))})"
        self._found[written, text] = _Fault(self.places.nearest(written), line, plugin, hint)

    def unusable(self, path: KeyPath, text: str) -> None:
        """Note a value that is wrong whatever its key means; nothing more is said of it."""
        self.add(path, text)
        self._unusable.append(path)

    def lines(self) -> list[str]:
        """All faults, those of the file by line first, then those of ``--set``."""
        found = sorted(self._found.values(), key=lambda f: (0, f.place) if isinstance(f.place, int) else (1, 0))
        return [f"{self.places.text(f.place)}: {f.text}" for f in found] + list(self._misfits)

    def finish(self) -> None:
        """Raise all faults, if there are any.

        Raises
        ------
        SpecError
            If the spec has faults.
        PluginError
            If nothing is wrong but plugins that it uses.
        """
        if not self._found and not self._misfits:
            return
        if not self._misfits and all(fault.plugin for fault in self._found.values()):
            hints = dict.fromkeys(fault.hint for fault in self._found.values() if fault.hint)
            raise PluginError("\n".join(self.lines()), hint="\n".join(hints))
        raise SpecError.of(self.lines())


def _owner(path: KeyPath) -> KeyPath:
    """The table, down to its name, that a key belongs to: ``detectors.M`` or ``machines.valve.detectors.M``."""
    return path[:4] if path[0] == "machines" else path[:2]
