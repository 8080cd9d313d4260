"""The command ``asdkit listen``."""

from asdkit.commands import Command, hookimpl


@hookimpl
def asdkit_commands() -> list[Command]:
    """Register ``asdkit listen``."""
    return [
        Command(
            "listen",
            "asdkit_listen.command:listen",
            summary="Score a stream of sound, window by window, and raise an alarm.",
        )
    ]
