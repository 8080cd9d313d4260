"""The command ``asdkit download``."""

from asdkit.commands import Command, hookimpl


@hookimpl
def asdkit_commands() -> list[Command]:
    """Register ``asdkit download``."""
    return [
        Command(
            "download",
            "asdkit_download.command:download",
            summary="Download an edition of the challenge from Zenodo, verify and unpack it, ready for a spec.",
        )
    ]
