"""``asdkit merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.run import show_results


def merge(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The run folder to create, or the one shared by shards.")],
    parts: Annotated[list[Path] | None, typer.Argument(metavar="PART...", help="Run folders of the shards.")] = None,
) -> None:
    """Merge the shards of a run (asdkit run --shard K/N) into one run folder, with results and report.

    Shards of different specs, recordings or code are an error, and so is a missing or damaged shard.
    """
    from asdkit.plugins import discover
    from asdkit.run import merge as merge_shards

    show_results(*merge_shards(out.absolute(), [part.absolute() for part in parts or ()], discover()))
