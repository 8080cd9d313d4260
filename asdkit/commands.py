"""Commands of plugins: what a package needs to add a command to ``asdkit``; imports nothing but pluggy.

A package names a module in the entry point group ``asdkit.commands``, and the module implements the hook
``asdkit_commands``::

    from asdkit.commands import Command, hookimpl

    @hookimpl
    def asdkit_commands():
        return [Command("convert", "asdkit_convert.command:convert", summary="Convert recordings.")]

``asdkit --help`` imports this module and no other of the package, so it must be light.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pluggy

PROJECT = "asdkit"
"""Name of the pluggy project, and of the entry point group of all plugins but commands."""

COMMAND_GROUP = "asdkit.commands"
"""Name of the entry point group of commands: ``asdkit --help`` finds them without importing other plugins."""

CORE_COMMANDS = (
    "init", "run", "merge", "export", "score", "explain", "adapt", "watch", "report", "compare", "check", "plugins",
    "new-plugin", "check-plugin", "schema", "data", "evaluate",
)  # fmt: skip
"""Names of asdkit's own commands, in the order of ``--help``; no plugin may use them."""

hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Command:
    """One command of a plugin.

    Attributes
    ----------
    name
        The word after ``asdkit``: lower-case letters, digits and hyphens.
    target
        ``"package.module:name"`` of a function with Typer's annotations, or of a ``typer.Typer`` with several
        sub-commands; imported when the command is used. Or the object itself.
    summary
        One line for ``asdkit --help``.
    api_version
        The `asdkit.api.API_VERSION` that the plugin was written for; 1 if not given.

    Examples
    --------
    >>> from asdkit.commands import Command
    >>> Command("pi", "math:sqrt", summary="Print a root.").load()
    <built-in function sqrt>
    """

    name: str
    target: str | Callable[..., Any]
    summary: str = ""
    api_version: int = 1

    def load(self) -> Callable[..., Any]:
        """Import and return the function or the ``typer.Typer``."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(module), name)
        return loaded
