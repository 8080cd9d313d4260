"""The command ``asdkit demo``."""

from asdkit.commands import Command, hookimpl


@hookimpl
def asdkit_commands() -> list[Command]:
    """Register ``asdkit demo``."""
    return [
        Command(
            "demo",
            "asdkit_demo.command:demo",
            summary="Make a small synthetic machine room, train on it, and show the results table; one or two minutes.",
        )
    ]
