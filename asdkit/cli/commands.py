"""The group of all commands: asdkit's own, and those of plugins, which are imported when they are used."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from asdkit.command_plugins import discover_commands
from asdkit.commands import CORE_COMMANDS
from asdkit.entry_points import Plugin, restriction
from asdkit.errors import AsdkitWarning, PluginError, UsageError
from asdkit.plugin_calls import guarded
from asdkit.text import opposite, printable


class Command(TyperCommand):
    """A command that does not suggest an option that means the contrary of an unknown one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, as click does."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if possible := getattr(error, "possibilities", None):  # of a NoSuchOption, which typer does not export
                given = getattr(error, "option_name", "")
                error.possibilities = [name for name in possible if not opposite(given, name)]  # type: ignore[attr-defined]
            raise


class PluginCommand(Command):
    """A command of a plugin before it is used: its name and summary, or why it cannot be used."""

    running: Plugin | None = None
    """The plugin whose command was started in this process."""

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        summary = plugin.command.summary if plugin.command else f"{plugin.status}: {plugin.cause}"
        super().__init__(plugin.name, help=printable(" ".join(summary.split())))

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command and return the context of a call of it."""
        plugin = self.plugin
        if plugin.command is None:
            self._refuse()
        PluginCommand.running = plugin
        with guarded(plugin.title, "its import"):
            command = _command_of(plugin.name, plugin.command.load())
        return command.make_context(info_name, args, parent=parent, **extra)

    def _refuse(self) -> NoReturn:
        plugin = self.plugin
        raise PluginError(
            f"command {plugin.name!r} of {plugin.distribution} {plugin.version} is {plugin.status}: {plugin.cause}",
            hint=f"Update or uninstall {plugin.distribution}.",
        )


class Group(TyperGroup):
    """All commands. Those of plugins are found on ``--help``, and for a name that asdkit itself does not have."""

    _complete = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return asdkit's own commands in their order, then those of plugins by name."""
        self._find_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; that of a plugin is imported when it makes its context."""
        if cmd_name not in self.commands:
            self._find_plugins()
            if cmd_name not in self.commands and (note := restriction()):
                raise UsageError(f"no command is called {cmd_name!r}", hint=note)
        return super().get_command(ctx, cmd_name)

    def _find_plugins(self) -> None:
        if self._complete:
            return
        self._complete = True
        for plugin in sorted(discover_commands(), key=lambda plugin: plugin.name):
            if plugin.name in CORE_COMMANDS:
                owner = f"{plugin.distribution} {plugin.version}"
                warnings.warn(f"command {plugin.name!r} of {owner}: {plugin.cause}", AsdkitWarning, stacklevel=2)
            else:
                self.add_command(PluginCommand(plugin), plugin.name)


def _command_of(name: str, target: Any) -> Any:
    """Return the click command of a function or a ``typer.Typer``."""
    if isinstance(target, typer.Typer):
        app = target
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, cls=Command)(target)
    command = typer.main.get_command(app)
    command.name = name
    return command
