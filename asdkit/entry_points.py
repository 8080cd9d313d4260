"""Entry points of plugins: which distributions name which modules, each loaded in isolation.

Nothing here imports the interfaces of plugins, so that ``asdkit --help`` can list commands quickly.
"""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from asdkit import hookspecs
from asdkit.commands import COMMAND_GROUP, PROJECT, Command
from asdkit.errors import AsdkitWarning, UsageError
from asdkit.plugin_calls import guarded, remember, watched
from asdkit.stop_signals import is_of_user
from asdkit.text import error_line

if TYPE_CHECKING:
    from asdkit.config import Config
    from asdkit.interfaces import Entry

GROUPS = (PROJECT, COMMAND_GROUP)
"""All entry point groups."""
Kind = Literal["featurizer", "augmenter", "detector", "fuser", "layout"]
KINDS: tuple[Kind, ...] = ("featurizer", "augmenter", "detector", "fuser", "layout")
"""Kinds of plugins that a spec names; commands are the one other kind."""
Status = Literal["ok", "broken", "incompatible"]

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Valid names of plugins."""

HEAVY = ("torch", "numba", "cv2", "sklearn")
"""Libraries that a hook module should not import."""
RESTRICTION = "ASDKIT_PLUGINS"
"""Environment variable: comma-separated distributions whose plugins are loaded; all of them if it is not set."""


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
    entry, command
        What the hook returned: a `Command` for a command, else an `Entry`; None if it cannot be used.
    cause
        Why it is not ok; one line.
    seconds
        Time to import the module.
    heavy
        Libraries of `HEAVY` that the import loaded.
    """

    kind: Kind | Literal["command"] | None
    name: str
    status: Status
    distribution: str
    version: str
    module: str
    entry: Entry | None = None
    command: Command | None = None
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


def call_hook(manager: pluggy.PluginManager, kind: Kind | Literal["command"]) -> list[object]:
    """Call a module's hook for a kind of plugins; the elements of the list are not checked."""
    entries: list[object] = []
    for result in getattr(manager.hook, f"asdkit_{kind}s")():
        if not isinstance(result, list):
            element = "Command" if kind == "command" else "Entry"
            raise TypeError(f"must return a list of {element}, not {type(result).__name__}")
        entries += result
    return entries


def load_group(
    group: str, kinds: Sequence[Kind | Literal["command"]], check: Callable[[object, Plugin], Plugin]
) -> list[Plugin]:
    """Load all entry points of a group, or those of the distributions in `RESTRICTION`.

    Parameters
    ----------
    group
        One of `GROUPS`.
    kinds
        Kinds of plugins whose hooks are called.
    check
        Makes the plugin of one element that a hook returned, from what is known of its entry point and kind.

    Raises
    ------
    UsageError
        If `RESTRICTION` names a distribution without plugins.
    """
    plugins: list[Plugin] = []
    for point, distribution, version in _allowed_entry_points(group):
        title = f"plugin {point.name!r} of {distribution} {version}"
        with redirect_stdout(sys.stderr), watched(title, "its import"):  # standard output is for results
            plugins += _load(point, distribution, version, kinds, check)
    return _mark_duplicates(plugins)


def _allowed_entry_points(group: str) -> Iterator[tuple[metadata.EntryPoint, str, str]]:
    """Yield entry points with the names and versions of their distributions, sorted by name."""
    points: dict[tuple[str, str, str, str], tuple[metadata.EntryPoint, str, str]] = {}
    for point in _entry_points():
        distribution, version = _distribution(point)
        # An old editable install beside a new one lists the same entry points twice.
        points.setdefault((point.name, point.value, point.group, distribution), (point, distribution, version))
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
    for _, (point, distribution, version) in sorted(points.items()):
        if point.group == group and (allowed is None or _normalized(distribution) in allowed):
            yield point, distribution, version


def _entry_points() -> Iterable[metadata.EntryPoint]:
    """Return the entry points of all groups, without those of a distribution with a damaged list."""
    try:
        every = metadata.entry_points()
        return [point for group in GROUPS for point in every.select(group=group)]
    except Exception:  # one damaged list of any distribution makes the whole call fail
        return [point for each in metadata.distributions() for point in _entry_points_of(each)]


def _entry_points_of(distribution: metadata.Distribution) -> Iterable[metadata.EntryPoint]:
    try:
        return [point for group in GROUPS for point in distribution.entry_points.select(group=group)]
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


def _load(
    point: metadata.EntryPoint,
    distribution: str,
    version: str,
    kinds: Sequence[Kind | Literal["command"]],
    check: Callable[[object, Plugin], Plugin],
) -> list[Plugin]:
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
    for kind in kinds:
        try:
            plugins += [check(entry, replace(unknown, kind=kind)) for entry in call_hook(manager, kind)]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and is_of_user():
                raise
            plugins.append(replace(unknown, cause=f"asdkit_{kind}s: {error_line(error)}"))
    if not plugins:
        hook = "asdkit_commands" if kinds == ("command",) else "asdkit_detectors (or another hook)"
        cause = f"implements none of the hooks; decorate {hook} with @hookimpl"
        plugins.append(replace(unknown, cause=cause))
    return plugins


def _mark_duplicates(plugins: list[Plugin]) -> list[Plugin]:
    """Mark usable plugins of the same kind and name as broken."""
    owners: dict[tuple[str, str], list[Plugin]] = {}
    for plugin in plugins:
        if plugin.kind and plugin.status == "ok":
            owners.setdefault((plugin.kind, plugin.name), []).append(plugin)
    return [
        replace(plugin, status="broken", entry=None, command=None, cause=_duplicate(rivals))
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
