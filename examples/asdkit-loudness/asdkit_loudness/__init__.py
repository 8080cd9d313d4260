"""The command ``asdkit loudness``: `asdkit --help` imports this module alone, so it is light."""

from asdkit.commands import Command, hookimpl


@hookimpl
def asdkit_commands():
    return [Command("loudness", "asdkit_loudness.command:loudness", "List recordings by level.", api_version=2)]
