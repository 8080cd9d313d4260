"""The command ``asdkit models``."""

from asdkit.commands import Command, hookimpl


@hookimpl
def asdkit_commands() -> list[Command]:
    """Register ``asdkit models``."""
    return [
        Command(
            "models",
            "asdkit_pretrained.command:app",
            summary="List pretrained networks; convert a published file to ONNX; check a model and its description.",
            api_version=2,
        )
    ]
