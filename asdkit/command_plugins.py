"""Commands of plugins: found without importing the interfaces of other plugins."""

from __future__ import annotations

import re
from dataclasses import replace

from asdkit.commands import COMMAND_GROUP, CORE_COMMANDS, Command
from asdkit.entry_points import NAME, Plugin, Status, load_group
from asdkit.text import printable
from asdkit.version import API_VERSION


def discover_commands() -> list[Plugin]:
    """Load the entry points of commands; the commands themselves are imported when they are used.

    Raises
    ------
    UsageError
        If ``ASDKIT_PLUGINS`` names a distribution without plugins.
    """
    return load_group(COMMAND_GROUP, ("command",), _plugin)


def _plugin(command: object, point: Plugin) -> Plugin:
    """Return the plugin for one element of the list that the hook returned."""
    status, cause = _status(command, point)
    if not isinstance(command, Command):
        return replace(point, status=status, cause=cause)
    usable = command if status == "ok" else None
    return replace(point, name=printable(str(command.name)), status=status, cause=cause, command=usable)


def _status(command: object, point: Plugin) -> tuple[Status, str]:
    """Return the status of a command and its cause."""
    if not isinstance(command, Command):
        return "broken", f"the list holds {type(command).__name__}, not Command"
    version: object = command.api_version  # a third-party command may not keep to the annotated types
    if type(version) is not int or not API_VERSION - 1 <= version <= API_VERSION:
        return "incompatible", f"written for plugin API {version!r}; this asdkit has {API_VERSION}"
    if not isinstance(command.name, str) or not NAME.fullmatch(command.name):
        return "broken", f"the name {command.name!r} is not lower case words joined by hyphens"
    if command.name in CORE_COMMANDS:
        return "broken", f"{command.name!r} is a command of asdkit itself; {point.module} must use another name"
    summary: object = command.summary
    if not isinstance(summary, str):
        return "broken", f"summary of {command.name!r} must be a string, not {type(summary).__name__}"
    target: object = command.target
    if not callable(target) and not (isinstance(target, str) and re.fullmatch(r"[\w.]+:\w+", target)):
        return "broken", f"target {target!r} of {command.name!r} is not 'package.module:name' or a function"
    return "ok", ""
