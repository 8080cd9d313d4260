"""Faults of a spec: collected to be reported together, each with the place where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asdkit.errors import PluginError, SpecError
from asdkit.spec.positions import KeyPath, dotted

SourceLocation = int | str
"""A line of the file, or the ``--set`` that wrote a key."""


@dataclass
class SourceLocations:
    """Where each key is written.

    Attributes
    ----------
    name
        The file, as the user named it.
    locations
        Location of each key that is written.
    """

    name: str
    locations: dict[KeyPath, SourceLocation] = field(default_factory=dict)

    def find(self, path: KeyPath) -> SourceLocation:
        """Return the location of a key; if the key is not written, that of its table."""
        while path and path not in self.locations:
            path = path[:-1]
        return self.locations.get(path, 1)

    def describe(self, location: SourceLocation) -> str:
        """Return the prefix of a message: ``"spec.toml:57"`` or ``"--set detectors.M.epochs=2"``."""
        return f"{self.name}:{location}" if isinstance(location, int) else f"--set {location}"

    def overwrite(self, path: KeyPath, option: str) -> None:
        """Record that a ``--set`` wrote `path` and everything below it."""
        for old in [p for p in self.locations if p[: len(path)] == path]:
            del self.locations[old]
        for end in range(1, len(path)):
            self.locations.setdefault(path[:end], option)
        self.locations[path] = option


@dataclass(frozen=True)
class _Fault:
    location: SourceLocation
    text: str
    plugin: bool
    hint: str


class Diagnostics:
    """The faults of a spec; `set_faults` are lines about a ``--set`` that cannot be applied."""

    def __init__(self, locations: SourceLocations, set_faults: Sequence[str] = ()) -> None:
        self._locations = locations
        self._set_faults = set_faults
        self._faults: dict[tuple[KeyPath, str], _Fault] = {}
        self._invalid: list[KeyPath] = []

    def add(
        self, written: KeyPath, text: str, *, key: KeyPath | None = None, plugin: bool = False, hint: str = ""
    ) -> None:
        """Add a fault, unless it is known.

        Parameters
        ----------
        written
            Path of the key at fault, where it is written.
        text
            What is wrong and what was expected.
        key
            Path of the key in the table at fault, if that table inherits the key.
        plugin
            Whether the plugin is at fault, not the spec.
        hint
            What to do about a plugin's fault.
        """
        if any(written[: len(path)] == path for path in self._invalid):
            return
        line = f"{dotted(key or written)}: {text}"
        if key not in (None, written):
            if (written, text) in self._faults:
                return  # reported for the table that the key is inherited from
            line += f" (inherited from {dotted(_table(written))})"
        self._faults[written, text] = _Fault(self._locations.find(written), line, plugin, hint)

    def add_invalid(self, path: KeyPath, text: str) -> None:
        """Add a value that is wrong for any key; further faults of it are ignored."""
        self.add(path, text)
        self._invalid.append(path)

    def lines(self) -> list[str]:
        """Return all faults: those in the file by line, then those of ``--set``."""
        faults = sorted(self._faults.values(), key=lambda f: (0, f.location) if isinstance(f.location, int) else (1, 0))
        return [f"{self._locations.describe(f.location)}: {f.text}" for f in faults] + list(self._set_faults)

    def raise_if_any(self) -> None:
        """Raise all faults as one error, if there are any.

        Raises
        ------
        SpecError
            If the spec has faults.
        PluginError
            If only plugins that the spec uses have faults.
        """
        if not self._faults and not self._set_faults:
            return
        if not self._set_faults and all(fault.plugin for fault in self._faults.values()):
            hints = dict.fromkeys(fault.hint for fault in self._faults.values() if fault.hint)
            raise PluginError("\n".join(self.lines()), hint="\n".join(hints))
        raise SpecError.of(self.lines())


def _table(path: KeyPath) -> KeyPath:
    """Return the table of a key: ``detectors.M`` or ``machines.valve.detectors.M``."""
    return path[:4] if path[0] == "machines" else path[:2]
