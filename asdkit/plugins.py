"""Find plugins, each on its own, so that one that is broken harms nobody else."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Literal

import pluggy

from asdkit import hookspecs
from asdkit.api import API_VERSION, PROJECT, AugmenterConfig, Config, DetectorConfig, Entry
from asdkit.errors import PluginError, UsageError
from asdkit.naming import nearest

Kind = Literal["featurizer", "augmenter", "detector", "fuser"]
KINDS: tuple[Kind, ...] = ("featurizer", "augmenter", "detector", "fuser")
HEAVY = ("torch", "numba", "cv2", "sklearn")
OLDEST_API = 1

_CONFIG_OF: dict[Kind, type[Config]] = {
    "featurizer": Config,
    "augmenter": AugmenterConfig,
    "detector": DetectorConfig,
    "fuser": Config,
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Plugin:
    """A plugin that can be used, or the reason why it cannot.

    Attributes
    ----------
    kind, name
        What it is and what ``use`` calls it; of a distribution that failed as a whole, None and the entry point's.
    status
        ``"ok"``, ``"broken"`` or ``"incompatible"``.
    cause
        Why it is not ok, one line.
    distribution, version
        The installed distribution that brought it.
    module
        The module that the entry point names.
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
        """
        found = [p for p in self.plugins if p.name == name and p.kind in (kind, None)]
        good = [p for p in found if p.status == "ok"]
        if good:
            return good[0]
        if found:
            bad = found[0]
            raise PluginError(
                f"{kind} {name!r} of {bad.distribution} {bad.version} is {bad.status}: {bad.cause}",
                hint=f"Update or uninstall {bad.distribution}, or use another {kind}: {', '.join(self.names(kind))}.",
            )
        raise UsageError(f"no plugin provides the {kind} {name!r}{nearest(name, self.names(kind))}")

    def entry(self, kind: Kind, name: str) -> Entry:
        """Entry of a good plugin; raises as `find` does."""
        entry = self.find(kind, name).entry
        assert entry is not None  # a good plugin has one
        return entry


def discover() -> Registry:
    """Load every entry point of the group ``asdkit``, each alone."""
    seen: set[tuple[str, str, str]] = set()
    registry = Registry()
    for point in sorted(metadata.entry_points(group=PROJECT), key=lambda p: (p.name, p.value)):
        distribution = point.dist.name if point.dist else "unknown"
        version = point.dist.version if point.dist else "?"
        if (distribution, point.name, point.value) in seen:  # an old editable install beside the new one
            continue
        seen.add((distribution, point.name, point.value))
        registry.plugins += _load(point, distribution, version)
    registry.plugins = _mark_clashes(registry.plugins)
    return registry


def _load(point: metadata.EntryPoint, distribution: str, version: str) -> list[Plugin]:
    before = {name for name in HEAVY if name in sys.modules}
    begin = time.perf_counter()
    try:
        manager = _manager(point.load())
    except (Exception, SystemExit) as error:  # whatever a stranger's module does at import
        return [Plugin(None, point.name, "broken", distribution, version, point.value, cause=_cause(error))]
    seconds = time.perf_counter() - begin
    heavy = tuple(name for name in HEAVY if name in sys.modules and name not in before)
    found: list[Plugin] = []
    for kind in KINDS:
        try:
            entries = _call(manager, kind)
        except (Exception, SystemExit) as error:
            cause = f"asdkit_{kind}s: {_cause(error)}"
            found.append(Plugin(None, point.name, "broken", distribution, version, point.value, cause=cause))
            continue
        for entry in entries:
            status, cause = _judge(entry, kind)
            name = entry.name if isinstance(entry, Entry) else point.name
            good = entry if isinstance(entry, Entry) else None
            found.append(Plugin(kind, name, status, distribution, version, point.value, good, cause, seconds, heavy))
    if not found:
        cause = "implements none of the hooks; decorate asdkit_detectors (or the like) with @hookimpl"
        found.append(Plugin(None, point.name, "broken", distribution, version, point.value, cause=cause))
    return found


def _manager(module: ModuleType) -> pluggy.PluginManager:
    """Make a plugin manager that knows one module and nobody else."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    return manager


def _call(manager: pluggy.PluginManager, kind: Kind) -> list[Entry]:
    results = getattr(manager.hook, f"asdkit_{kind}s")()
    entries: list[Entry] = []
    for result in results:
        if not isinstance(result, list):
            raise TypeError(f"must return a list of Entry, not {type(result).__name__}")
        entries += result
    return entries


def _judge(entry: object, kind: Kind) -> tuple[Literal["ok", "broken", "incompatible"], str]:
    if not isinstance(entry, Entry):
        return "broken", f"the list holds {type(entry).__name__}, not Entry"
    if not isinstance(entry.api_version, int) or not OLDEST_API <= entry.api_version <= API_VERSION:
        return "incompatible", f"written for plugin API {entry.api_version}; this asdkit has {API_VERSION}"
    if not isinstance(entry.name, str) or not _NAME.fullmatch(entry.name):
        return "broken", f"the name {entry.name!r} is not lower case words joined by hyphens"
    needed = _CONFIG_OF[kind]
    if not (isinstance(entry.config, type) and issubclass(entry.config, needed)):
        return "broken", f"config of {entry.name!r} must be a subclass of asdkit.api.{needed.__name__}"
    if isinstance(entry.target, str) and not re.fullmatch(r"[\w.]+:\w+", entry.target):
        return "broken", f"target {entry.target!r} of {entry.name!r} is not 'package.module:Class'"
    return "ok", ""


def _mark_clashes(plugins: list[Plugin]) -> list[Plugin]:
    owners: dict[tuple[Kind, str], list[Plugin]] = {}
    for plugin in plugins:
        if plugin.kind and plugin.status == "ok":
            owners.setdefault((plugin.kind, plugin.name), []).append(plugin)
    marked = []
    for plugin in plugins:
        rivals = owners.get((plugin.kind, plugin.name), []) if plugin.kind else []
        if plugin.status == "ok" and len(rivals) > 1:
            who = " and ".join(f"{p.distribution} ({p.module})" for p in rivals)
            cause = f"the name is claimed twice, by {who}; uninstall one"
            plugin = Plugin(
                plugin.kind, plugin.name, "broken", plugin.distribution, plugin.version, plugin.module, cause=cause
            )
        marked.append(plugin)
    return marked


def _cause(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text}"
