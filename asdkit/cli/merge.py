"""``asdkit merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The run folder to make; or the one that shards shared.")],
    parts: Annotated[list[Path] | None, typer.Argument(metavar="PART...", help="Folders that shards ran in.")] = None,
) -> None:
    """Join the shards of a run (asdkit run --shard K/N) into one run folder, with results and report.

    Parts of different specs, recordings or code are refused, and so is a shard that is missing or damaged.
    """
    from asdkit.cli.run import show_results
    from asdkit.plugins import discover
    from asdkit.run import merge as merge_shards

    show_results(*merge_shards(out.absolute(), [part.absolute() for part in parts or ()], discover()))
