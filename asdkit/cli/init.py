"""``asdkit init``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from asdkit.errors import DataError, UsageError


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Recordings of healthy machines; a flat folder of WAVs will do.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The spec to write.")] = Path("spec.toml"),
) -> None:
    """Look at recordings and write a spec for them, with the choices explained in comments.

    Says what so many clips can and cannot support. An existing file is never overwritten.
    """
    from asdkit.dataset.inventory import take_inventory
    from asdkit.naming import printable
    from asdkit.plugins import discover
    from asdkit.spec import load_spec
    from asdkit.spec.proposal import propose

    if not folder.exists():
        raise DataError(f"{printable(str(folder))}: there is no such folder")
    inventory = take_inventory(folder)
    proposal = propose(inventory, folder, out.parent)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError:
        raise UsageError(f"{out} exists already", hint="Name another file with -o.") from None
    except FileNotFoundError:
        raise UsageError(f"{out.parent}: there is no such folder") from None
    load_spec(out, registry=discover())  # what was written is valid
    for line in inventory.broken:
        typer.echo(f"broken, to be left out: {line}", err=True)
    for note in proposal.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{printable(str(out))} is written; read its comments. Next:", err=True)
    machine = "" if len(proposal.machines) == 1 else " --machine NAME"
    typer.echo(f"asdkit run {shlex.quote(str(out))}")
    typer.echo(f"asdkit score {shlex.quote(f'runs/{proposal.name}')}{machine} NEW_RECORDINGS")
