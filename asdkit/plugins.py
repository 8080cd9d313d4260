"""Plugin discovery: each entry point is loaded in isolation, so a broken plugin does not affect the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from asdkit.command_plugins import discover_commands
from asdkit.commands import PROJECT
from asdkit.config import AugmenterConfig, Config, DetectorConfig
from asdkit.entry_points import HEAVY, KINDS, NAME, Kind, Plugin, Status, call_hook, load_group, manager_of, restriction
from asdkit.errors import PluginError, UsageError
from asdkit.interfaces import API_VERSION, Entry
from asdkit.text import printable, suggestion_or_choices

__all__ = ["HEAVY", "KINDS", "NAME", "Kind", "Plugin", "Registry", "call_hook", "discover", "manager_of", "restriction"]

_CONFIG_BASES: dict[Kind, type[Config]] = {
    "featurizer": Config,
    "augmenter": AugmenterConfig,
    "detector": DetectorConfig,
    "fuser": Config,
    "layout": Config,
}


@dataclass
class Registry:
    """All plugins, usable or not."""

    plugins: list[Plugin] = field(default_factory=list)

    def names(self, kind: Kind) -> list[str]:
        """Return the names of the usable plugins of a kind."""
        return sorted(p.name for p in self.plugins if p.kind == kind and p.status == "ok")

    def find(self, kind: Kind, name: str) -> Plugin:
        """Return the plugin with this kind and name.

        Raises
        ------
        PluginError
            If it is broken or incompatible, or if two distributions register the name.
        UsageError
            If there is none.
        """
        candidates = [p for p in self.plugins if p.name == name and p.kind in (kind, None)]
        usable = [p for p in candidates if p.status == "ok"]
        if usable:
            return usable[0]
        if candidates:
            bad = candidates[0]
            raise PluginError(
                f"{kind} {name!r} of {bad.distribution} {bad.version} is {bad.status}: {bad.cause}",
                hint=f"Update or uninstall {bad.distribution}, or use another {kind}: {', '.join(self.names(kind))}.",
            )
        choices = suggestion_or_choices(name, self.names(kind))
        raise UsageError(f"no plugin provides the {kind} {name!r}{choices}", hint=restriction())

    def entry(self, kind: Kind, name: str) -> Entry:
        """Return the entry of a usable plugin; raises as `find` does."""
        entry = self.find(kind, name).entry
        assert entry is not None  # a usable plugin has one
        return entry


def discover() -> Registry:
    """Load all entry points, or those of the distributions in `RESTRICTION`.

    Raises
    ------
    UsageError
        If `RESTRICTION` names a distribution without plugins.
    """
    return Registry(load_group(PROJECT, KINDS, _plugin) + discover_commands())


def _plugin(entry: object, point: Plugin) -> Plugin:
    """Return the plugin for one element of the list that a hook returned."""
    kind = next(kind for kind in KINDS if kind == point.kind)
    status, cause = _status(entry, kind, f"{point.distribution} {point.version}")
    plugin = replace(point, status=status, cause=cause)
    return replace(plugin, name=printable(str(entry.name)), entry=entry) if isinstance(entry, Entry) else plugin


def _status(entry: object, kind: Kind, distribution: str) -> tuple[Status, str]:
    """Return the status of an entry and its cause."""
    if not isinstance(entry, Entry):
        return "broken", f"the list holds {type(entry).__name__}, not Entry"
    if type(entry.api_version) is not int or not API_VERSION - 1 <= entry.api_version <= API_VERSION:
        return "incompatible", f"written for plugin API {entry.api_version!r}; this asdkit has {API_VERSION}"
    if not isinstance(entry.name, str) or not NAME.fullmatch(entry.name):
        return "broken", f"the name {entry.name!r} is not lower case words joined by hyphens"
    base = _CONFIG_BASES[kind]
    if not (isinstance(entry.config, type) and issubclass(entry.config, base)):
        return "broken", f"config of {entry.name!r} must be a subclass of asdkit.api.{base.__name__}"
    defaults: object = entry.defaults  # a third-party entry may not keep to the annotated types
    target: object = entry.target
    if not isinstance(defaults, Mapping):
        return "broken", f"defaults of {entry.name!r} must be a dict, not {type(defaults).__name__}"
    bad = [key for key, value in defaults.items() if not (isinstance(key, str) and _fits_toml(value))]
    if bad:
        return "broken", f"defaults of {entry.name!r}: {bad[0]!r} must be a value of a spec: a number, string or list"
    summary: object = entry.summary
    if not isinstance(summary, str):
        return "broken", f"summary of {entry.name!r} must be a string, not {type(summary).__name__}"
    if not isinstance(target, str) and not callable(target):
        return "broken", f"target of {entry.name!r} must be 'package.module:Class' or a class, not {target!r}"
    if isinstance(target, str) and not re.fullmatch(r"[\w.]+:\w+", target):
        return "broken", f"target {target!r} of {entry.name!r} is not 'package.module:Class'"
    return "ok", ""


def _fits_toml(value: object) -> bool:
    """Return whether a spec can hold a value."""
    if isinstance(value, list | tuple):
        return all(map(_fits_toml, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _fits_toml(inner) for key, inner in value.items())
    return isinstance(value, str | int | float)
