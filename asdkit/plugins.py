"""Plugin discovery: each entry point is loaded in isolation, so a broken plugin does not affect the others."""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from importlib import metadata
from types import ModuleType
from typing import Any, Literal

import pluggy

from asdkit import hookspecs
from asdkit.config import AugmenterConfig, Config, DetectorConfig
from asdkit.errors import AsdkitWarning, PluginError, UsageError
from asdkit.interfaces import API_VERSION, PROJECT, Entry
from asdkit.plugin_calls import guarded, remember, watched
from asdkit.stop_signals import is_of_user
from asdkit.text import error_line, printable, suggestion_or_choices

Kind = Literal["featurizer", "augmenter", "detector", "fuser"]
KINDS: tuple[Kind, ...] = ("featurizer", "augmenter", "detector", "fuser")
Status = Literal["ok", "broken", "incompatible"]

HEAVY = ("torch", "numba", "cv2", "sklearn")
"""Libraries that a hook module should not import."""
RESTRICTION = "ASDKIT_PLUGINS"
"""Environment variable: comma-separated distributions whose plugins are loaded; all of them if it is not set."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Valid names of plugins."""

_CONFIG_BASES: dict[Kind, type[Config]] = {
    "featurizer": Config,
    "augmenter": AugmenterConfig,
    "detector": DetectorConfig,
    "fuser": Config,
}


@dataclass(frozen=True)
class Plugin:
    """A plugin, or the reason why it cannot be used.

    Attributes
    ----------
    kind, name
        Its kind, and the value of ``use`` in a spec. If loading failed as a whole: None, and the entry point's name.
    status
        ``"ok"``, ``"broken"`` or ``"incompatible"``.
    distribution, version
        The installed distribution that provides it.
    module
        The module that the entry point names.
    cause
        Why it is not ok, or a note about one that is; one line.
    seconds
        Time to import the module.
    heavy
        Libraries of `HEAVY` that the import loaded.
    """

    kind: Kind | None
    name: str
    status: Status
    distribution: str
    version: str
    module: str
    entry: Entry | None = None
    cause: str = ""
    seconds: float = 0.0
    heavy: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name in messages: ``detector 'mean' of asdkit-mean 1.0``."""
        return f"{self.kind} {self.name!r} of {self.distribution} {self.version}"

    def construct(self, config: Config) -> Any:
        """Import and construct a usable plugin; any error is a `PluginError`."""
        assert self.entry is not None  # a usable plugin has one
        with guarded(self.title, "construction"):
            instance = self.entry.load()(config)
        remember(instance, self.title)
        return instance


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

        Warns
        -----
        AsdkitWarning
            If the plugin was written for the previous version of the plugin API.
        """
        candidates = [p for p in self.plugins if p.name == name and p.kind in (kind, None)]
        usable = [p for p in candidates if p.status == "ok"]
        if usable:
            if usable[0].cause:
                warnings.warn(f"{kind} {name!r}: {usable[0].cause}", AsdkitWarning, stacklevel=2)
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
    """Load all entry points of the group ``asdkit``, or those of the distributions in `RESTRICTION`.

    Raises
    ------
    UsageError
        If `RESTRICTION` names a distribution without plugins.
    """
    registry = Registry()
    for point, distribution, version in _allowed_entry_points():
        title = f"plugin {point.name!r} of {distribution} {version}"
        with redirect_stdout(sys.stderr), watched(title, "its import"):  # standard output is for results
            registry.plugins += _load(point, distribution, version)
    registry.plugins = _mark_duplicates(registry.plugins)
    return registry


def restriction() -> str:
    """Return a sentence about what `RESTRICTION` excludes; empty if it is not set."""
    names = os.environ.get(RESTRICTION)
    if names is None:
        return ""
    return f"{RESTRICTION} is set: only plugins of {names.strip(' ,') or 'no distribution'} are loaded."


def manager_of(module: ModuleType) -> pluggy.PluginManager:
    """Make a plugin manager for one module; raises any error in the module's hooks."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    return manager


def call_hook(manager: pluggy.PluginManager, kind: Kind) -> list[object]:
    """Call a module's hook for a kind of plugins; the elements of the list are not checked."""
    entries: list[object] = []
    for result in getattr(manager.hook, f"asdkit_{kind}s")():
        if not isinstance(result, list):
            raise TypeError(f"must return a list of Entry, not {type(result).__name__}")
        entries += result
    return entries


def _allowed_entry_points() -> Iterator[tuple[metadata.EntryPoint, str, str]]:
    """Yield entry points with the names and versions of their distributions, sorted by name."""
    points: dict[tuple[str, str, str], tuple[metadata.EntryPoint, str, str]] = {}
    for point in _entry_points():
        distribution, version = _distribution(point)
        # An old editable install beside a new one lists the same entry points twice.
        points.setdefault((point.name, point.value, distribution), (point, distribution, version))
    names = os.environ.get(RESTRICTION)
    allowed = None if names is None else {_normalized(name) for name in names.split(",") if name.strip()}
    missing = (allowed or set()) - {_normalized(distribution) for _, distribution, _ in points.values()}
    if missing:
        raise UsageError(
            f"{RESTRICTION} names {', '.join(sorted(missing))}, but no installed distribution with plugins has that "
            "name",
            hint="It holds names of distributions, separated by commas, such as asdkit,asdkit-mean-spectrum; "
            "the built-in plugins are those of asdkit.",
        )
    for _, point_and_distribution in sorted(points.items()):
        if allowed is None or _normalized(point_and_distribution[1]) in allowed:
            yield point_and_distribution


def _entry_points() -> Iterable[metadata.EntryPoint]:
    """Return the entry points of the group, without those of a distribution with a damaged list."""
    try:
        return metadata.entry_points(group=PROJECT)
    except Exception:  # one damaged list of any distribution makes the whole call fail
        return [point for each in metadata.distributions() for point in _entry_points_of(each)]


def _entry_points_of(distribution: metadata.Distribution) -> Iterable[metadata.EntryPoint]:
    try:
        return distribution.entry_points.select(group=PROJECT)
    except Exception as error:
        name = _name_and_version(distribution).get("Name", "an unknown distribution")
        warnings.warn(f"the entry points of {name} cannot be read: {error_line(error)}", AsdkitWarning, stacklevel=2)
        return []


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    """Return the name and version of the distribution of an entry point."""
    about = _name_and_version(point.dist) if point.dist else {}
    return about.get("Name") or "unknown", about.get("Version") or "?"


def _name_and_version(distribution: metadata.Distribution) -> dict[str, str]:
    """Return the fields of a distribution's metadata; empty if it has none or they cannot be read."""
    try:
        about = distribution.metadata  # read once: each access parses the file
        return {key: about[key] for key in ("Name", "Version") if about and key in about}
    except Exception:  # the importlib_metadata package, if imported, raises its own errors
        return {}


def _normalized(distribution: str) -> str:
    """Return the name of a distribution as PyPA compares it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def _load(point: metadata.EntryPoint, distribution: str, version: str) -> list[Plugin]:
    before = {name for name in HEAVY if name in sys.modules}
    begin = time.perf_counter()
    try:
        manager = manager_of(point.load())
    except BaseException as error:  # a third-party module may raise anything at import
        if isinstance(error, KeyboardInterrupt) and is_of_user():
            raise
        return [Plugin(None, point.name, "broken", distribution, version, point.value, cause=error_line(error))]
    seconds = time.perf_counter() - begin
    heavy = tuple(name for name in HEAVY if name in sys.modules and name not in before)
    unknown = Plugin(None, point.name, "broken", distribution, version, point.value, seconds=seconds, heavy=heavy)
    plugins: list[Plugin] = []
    for kind in KINDS:
        try:
            plugins += [_plugin(entry, kind, unknown) for entry in call_hook(manager, kind)]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and is_of_user():
                raise
            plugins.append(replace(unknown, cause=f"asdkit_{kind}s: {error_line(error)}"))
    if not plugins:
        cause = "implements none of the hooks; decorate asdkit_detectors (or another hook) with @hookimpl"
        plugins.append(replace(unknown, cause=cause))
    return plugins


def _plugin(entry: object, kind: Kind, point: Plugin) -> Plugin:
    """Return the plugin for one element of the list that a hook returned."""
    status, cause = _status(entry, kind, f"{point.distribution} {point.version}")
    plugin = replace(point, kind=kind, status=status, cause=cause)
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
    if entry.api_version < API_VERSION:
        return "ok", f"{distribution} is written for plugin API {entry.api_version}; the next asdkit will refuse it"
    return "ok", ""


def _fits_toml(value: object) -> bool:
    """Return whether a spec can hold a value."""
    if isinstance(value, list | tuple):
        return all(map(_fits_toml, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _fits_toml(inner) for key, inner in value.items())
    return isinstance(value, str | int | float)


def _mark_duplicates(plugins: list[Plugin]) -> list[Plugin]:
    """Mark usable plugins of the same kind and name as broken."""
    owners: dict[tuple[Kind, str], list[Plugin]] = {}
    for plugin in plugins:
        if plugin.kind and plugin.status == "ok":
            owners.setdefault((plugin.kind, plugin.name), []).append(plugin)
    return [
        replace(plugin, status="broken", entry=None, cause=_duplicate(rivals))
        if plugin.kind and plugin.status == "ok" and len(rivals := owners[plugin.kind, plugin.name]) > 1
        else plugin
        for plugin in plugins
    ]


def _duplicate(plugins: list[Plugin]) -> str:
    """Return the message for plugins that share a kind and a name."""
    if len({plugin.distribution for plugin in plugins}) == 1:
        return f"{plugins[0].distribution} registers the name {len(plugins)} times; it must do so once"
    owners = " and ".join(f"{plugin.distribution} ({plugin.module})" for plugin in plugins)
    return f"the name is registered twice, by {owners}; uninstall one"
