"""``asdkit init``."""

from __future__ import annotations

import os
import shlex
from collections import Counter
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
    from asdkit.data.inventory import recognise, take_inventory
    from asdkit.plugins import discover
    from asdkit.spec import load_spec
    from asdkit.spec.init_spec import propose_spec
    from asdkit.text import printable

    layouts = recognise(folder)
    if not layouts:
        raise _nothing_fits(folder)
    inventory = take_inventory(folder, layouts[0])
    proposal = propose_spec(inventory, folder, out.parent)
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


def _nothing_fits(folder: Path) -> DataError:
    """Say of what no layout fits what it is, and what was expected."""
    from asdkit.data.layouts.base import is_recording
    from asdkit.text import printable

    expected = "Expected a folder with the healthy recordings of one machine, WAV or FLAC"
    shown = printable(str(folder))
    if not folder.exists():
        return DataError(f"{shown}: there is no such folder", hint=f"{expected}.")
    if not folder.is_dir():
        return DataError(f"{shown}: a file, not a folder", hint=f"{expected} (or a CSV table of them, docs/data.md).")
    kinds: Counter[str] = Counter()
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(name for name in names if name[0] != "."):
            if is_recording(name):
                found = printable(os.path.relpath(os.path.join(path, name), folder))
                return DataError(
                    f"{shown}: its recordings ({found}, ...) lie in folders that fit no layout",
                    hint=f"{expected}, and no folders in it; docs/data.md has layouts for more.",
                )
            kinds[os.path.splitext(name)[1].lower() or "no suffix"] += 1
    what = ", ".join(f"{count} {printable(kind)}" for kind, count in kinds.most_common(3))
    return DataError(
        f"{shown}: no recording in it" + (f", but files of other kinds ({what})" if kinds else ", nor any other file"),
        hint=f"{expected}; other kinds of audio must be converted to one of these.",
    )
