"""Find plugins, each on its own, so that one that is broken harms nobody else."""

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
from typing import Literal

import pluggy

from asdkit import hookspecs
from asdkit.config import AugmenterConfig, Config, DetectorConfig
from asdkit.errors import AsdkitWarning, PluginError, UsageError
from asdkit.interfaces import API_VERSION, PROJECT, Entry
from asdkit.text import nearest, printable

Kind = Literal["featurizer", "augmenter", "detector", "fuser"]
KINDS: tuple[Kind, ...] = ("featurizer", "augmenter", "detector", "fuser")
HEAVY = ("torch", "numba", "cv2", "sklearn")
RESTRICTION = "ASDKIT_PLUGINS"
"""Environment variable with the distributions whose plugins are loaded, joined by commas; not set: all of them."""

_CONFIG_OF: dict[Kind, type[Config]] = {
    "featurizer": Config,
    "augmenter": AugmenterConfig,
    "detector": DetectorConfig,
    "fuser": Config,
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Plugin:
    """A plugin that can be used, or the reason why it cannot.

    Attributes
    ----------
    kind, name
        What it is and what ``use`` calls it; of a distribution that failed as a whole, None and the entry point's.
    status
        ``"ok"``, ``"broken"`` or ``"incompatible"``.
    distribution, version
        The installed distribution that brought it.
    module
        The module that the entry point names.
    cause
        Why it is not ok, or what is to be known of one that is; one line.
    seconds
        What importing the module cost.
    heavy
        Heavy libraries that the import brought in; it should bring none.
    """

    kind: Kind | None
    name: str
    status: Literal["ok", "broken", "incompatible"]
    distribution: str
    version: str
    module: str
    entry: Entry | None = None
    cause: str = ""
    seconds: float = 0.0
    heavy: tuple[str, ...] = ()


@dataclass
class Registry:
    """All plugins found, good and bad."""

    plugins: list[Plugin] = field(default_factory=list)

    def names(self, kind: Kind) -> list[str]:
        """Names of the good plugins of a kind."""
        return sorted(p.name for p in self.plugins if p.kind == kind and p.status == "ok")

    def find(self, kind: Kind, name: str) -> Plugin:
        """Return the plugin of that kind and name.

        Raises
        ------
        PluginError
            If it is there but broken or incompatible, or if two distributions claim the name.
        UsageError
            If there is none.

        Warns
        -----
        AsdkitWarning
            If it is used and was written for the plugin API before this one.
        """
        found = [p for p in self.plugins if p.name == name and p.kind in (kind, None)]
        good = [p for p in found if p.status == "ok"]
        if good:
            if good[0].cause:
                warnings.warn(f"{kind} {name!r}: {good[0].cause}", AsdkitWarning, stacklevel=2)
            return good[0]
        if found:
            bad = found[0]
            raise PluginError(
                f"{kind} {name!r} of {bad.distribution} {bad.version} is {bad.status}: {bad.cause}",
                hint=f"Update or uninstall {bad.distribution}, or use another {kind}: {', '.join(self.names(kind))}.",
            )
        raise UsageError(f"no plugin provides the {kind} {name!r}{nearest(name, self.names(kind))}", hint=restriction())

    def entry(self, kind: Kind, name: str) -> Entry:
        """Entry of a good plugin; raises as `find` does."""
        entry = self.find(kind, name).entry
        assert entry is not None  # a good plugin has one
        return entry


def discover() -> Registry:
    """Load every entry point of the group ``asdkit``, each alone; those that `RESTRICTION` names, where it is set.

    Raises
    ------
    UsageError
        If `RESTRICTION` names a distribution that has no plugin.
    """
    registry = Registry()
    for point, distribution, version in _points():
        with redirect_stdout(sys.stderr):  # standard output is for results
            registry.plugins += _load(point, distribution, version)
    registry.plugins = _mark_clashes(registry.plugins)
    return registry


def _points() -> Iterator[tuple[metadata.EntryPoint, str, str]]:
    """Entry points with the names and versions of their distributions, in order of their names."""
    found: dict[tuple[str, str, str], tuple[metadata.EntryPoint, str, str]] = {}
    for point in _entry_points():
        distribution, version = _distribution(point)
        # An old editable install beside the new one shows the same entry points twice.
        found.setdefault((point.name, point.value, distribution), (point, distribution, version))
    wanted = os.environ.get(RESTRICTION)
    allowed = None if wanted is None else {_plain(name) for name in wanted.split(",") if name.strip()}
    missing = (allowed or set()) - {_plain(distribution) for _, distribution, _ in found.values()}
    if missing:
        raise UsageError(
            f"{RESTRICTION} names {', '.join(sorted(missing))}, which no installed distribution with plugins is called",
            hint="It holds names of distributions, joined by commas, such as asdkit,asdkit-spectrum; "
            "the built-in plugins are those of asdkit.",
        )
    for _, each in sorted(found.items()):
        if allowed is None or _plain(each[1]) in allowed:
            yield each


def _entry_points() -> Iterable[metadata.EntryPoint]:
    """Entry points of the group; of a distribution whose list of them is damaged, none."""
    try:
        return metadata.entry_points(group=PROJECT)
    except Exception:  # one damaged list, of anybody's, and nobody has any
        return [point for each in metadata.distributions() for point in _entry_points_of(each)]


def _entry_points_of(distribution: metadata.Distribution) -> Iterable[metadata.EntryPoint]:
    try:
        return distribution.entry_points.select(group=PROJECT)
    except Exception as error:
        name = _about(distribution).get("Name", "an unknown distribution")
        warnings.warn(f"the entry points of {name} cannot be read: {_cause(error)}", AsdkitWarning, stacklevel=2)
        return []


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that brought an entry point."""
    about = _about(point.dist) if point.dist else {}
    return about.get("Name") or "unknown", about.get("Version") or "?"


def _about(distribution: metadata.Distribution) -> dict[str, str]:
    """Name and version that a distribution states; none where it has no metadata, or they cannot be read."""
    try:
        about = distribution.metadata  # asked for once: it is parsed anew each time
        return {key: about[key] for key in ("Name", "Version") if about and key in about}
    except Exception:  # the importlib_metadata package, where something imported it, raises errors of its own
        return {}


def restriction() -> str:
    """What `RESTRICTION` keeps out, in words; empty where it is not set."""
    wanted = os.environ.get(RESTRICTION)
    if wanted is None:
        return ""
    return f"{RESTRICTION} is set: plugins of {wanted.strip(' ,') or 'no distribution'} alone are loaded."


def _plain(distribution: str) -> str:
    """Name of a distribution as PyPA compares it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def _load(point: metadata.EntryPoint, distribution: str, version: str) -> list[Plugin]:
    before = {name for name in HEAVY if name in sys.modules}
    begin = time.perf_counter()
    try:
        manager = manager_of(point.load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a stranger's module does at import
        return [Plugin(None, point.name, "broken", distribution, version, point.value, cause=_cause(error))]
    seconds = time.perf_counter() - begin
    heavy = tuple(name for name in HEAVY if name in sys.modules and name not in before)
    # What the entry point is, until a hook says more.
    point_itself = Plugin(None, point.name, "broken", distribution, version, point.value, seconds=seconds, heavy=heavy)
    found: list[Plugin] = []
    for kind in KINDS:
        try:
            found += [_listed(entry, kind, point_itself) for entry in call_hook(manager, kind)]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            found.append(replace(point_itself, cause=f"asdkit_{kind}s: {_cause(error)}"))
    if not found:
        cause = "implements none of the hooks; decorate asdkit_detectors (or the like) with @hookimpl"
        found.append(replace(point_itself, cause=cause))
    return found


def manager_of(module: ModuleType) -> pluggy.PluginManager:
    """Make a plugin manager that knows one module and nobody else; raises whatever is wrong with its hooks."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    return manager


def call_hook(manager: pluggy.PluginManager, kind: Kind) -> list[object]:
    """Ask a module for its plugins of a kind; they may be anything."""
    results = getattr(manager.hook, f"asdkit_{kind}s")()
    entries: list[object] = []
    for result in results:
        if not isinstance(result, list):
            raise TypeError(f"must return a list of Entry, not {type(result).__name__}")
        entries += result
    return entries


def _listed(entry: object, kind: Kind, point: Plugin) -> Plugin:
    """What a hook gave, as a plugin."""
    status, cause = _judge(entry, kind, f"{point.distribution} {point.version}")
    known = replace(point, kind=kind, status=status, cause=cause)
    return replace(known, name=printable(str(entry.name)), entry=entry) if isinstance(entry, Entry) else known


def _judge(entry: object, kind: Kind, whose: str) -> tuple[Literal["ok", "broken", "incompatible"], str]:
    if not isinstance(entry, Entry):
        return "broken", f"the list holds {type(entry).__name__}, not Entry"
    if type(entry.api_version) is not int or not API_VERSION - 1 <= entry.api_version <= API_VERSION:
        return "incompatible", f"written for plugin API {entry.api_version!r}; this asdkit has {API_VERSION}"
    if not isinstance(entry.name, str) or not NAME.fullmatch(entry.name):
        return "broken", f"the name {entry.name!r} is not lower case words joined by hyphens"
    needed = _CONFIG_OF[kind]
    if not (isinstance(entry.config, type) and issubclass(entry.config, needed)):
        return "broken", f"config of {entry.name!r} must be a subclass of asdkit.api.{needed.__name__}"
    defaults: object = entry.defaults  # types are promises that a stranger need not keep
    target: object = entry.target
    if not isinstance(defaults, Mapping):
        return "broken", f"defaults of {entry.name!r} must be a dict, not {type(defaults).__name__}"
    odd = [key for key, value in defaults.items() if not (isinstance(key, str) and _is_plain(value))]
    if odd:
        return "broken", f"defaults of {entry.name!r}: {odd[0]!r} must be what a spec can hold: numbers, texts, lists"
    summary: object = entry.summary
    if not isinstance(summary, str):
        return "broken", f"summary of {entry.name!r} must be a text, not {type(summary).__name__}"
    if not isinstance(target, str) and not callable(target):
        return "broken", f"target of {entry.name!r} must be 'package.module:Class' or a class, not {target!r}"
    if isinstance(entry.target, str) and not re.fullmatch(r"[\w.]+:\w+", entry.target):
        return "broken", f"target {entry.target!r} of {entry.name!r} is not 'package.module:Class'"
    if entry.api_version < API_VERSION:
        return "ok", f"{whose} is written for plugin API {entry.api_version}; the next asdkit will refuse it"
    return "ok", ""


def _is_plain(value: object) -> bool:
    """Whether a spec can hold a value."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    return isinstance(value, str | int | float)


def _mark_clashes(plugins: list[Plugin]) -> list[Plugin]:
    owners: dict[tuple[Kind, str], list[Plugin]] = {}
    for plugin in plugins:
        if plugin.kind and plugin.status == "ok":
            owners.setdefault((plugin.kind, plugin.name), []).append(plugin)
    marked = []
    for plugin in plugins:
        rivals = owners.get((plugin.kind, plugin.name), []) if plugin.kind else []
        if plugin.status == "ok" and len(rivals) > 1:
            owners_of_it = {p.distribution for p in rivals}
            who = " and ".join(f"{p.distribution} ({p.module})" for p in rivals)
            cause = f"the name is claimed twice, by {who}; uninstall one"
            if len(owners_of_it) == 1:
                cause = f"{plugin.distribution} registers the name {len(rivals)} times; it must do so once"
            plugin = replace(plugin, status="broken", entry=None, cause=cause)
        marked.append(plugin)
    return marked


def _cause(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split()) or "no message"
    except Exception:  # a stranger's exception may not even be shown
        text = "no message"
    return printable(f"{type(error).__name__}: {text}")
