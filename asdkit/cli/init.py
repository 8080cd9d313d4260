"""``asdkit init``."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.console import message, note
from asdkit.errors import DataError, UsageError
from asdkit.text import printable


def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Recordings of healthy machines; a flat folder of WAV files is enough."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The spec to write.")] = Path("spec.toml"),
) -> None:
    """Inspect recordings and write a spec for them, with the choices explained in comments.

    Prints what this number of clips can and cannot support. An existing file is never overwritten.
    """
    from asdkit.data.inventory import recognise, take_inventory
    from asdkit.plugins import discover
    from asdkit.spec import load_spec
    from asdkit.spec.init_spec import propose_spec

    layouts = recognise(folder)
    if not layouts:
        raise _no_layout_error(folder)
    inventory = take_inventory(folder, layouts[0])
    proposal = propose_spec(inventory, folder, out.parent)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError:
        raise UsageError(f"{out} exists already", hint="Name another file with -o.") from None
    except FileNotFoundError:
        raise UsageError(f"{out.parent}: no such folder") from None
    load_spec(out, registry=discover())  # raises if the written spec is not valid
    for line in inventory.broken:
        message(f"broken, to be left out: {line}")
    for text in proposal.notes:
        note(text)
    message(f"{printable(str(out))} is written; read its comments. Next:")
    machine = "" if len(proposal.machines) == 1 else " --machine NAME"
    typer.echo(f"asdkit run {shlex.quote(str(out))}")
    typer.echo(f"asdkit score {shlex.quote(f'runs/{proposal.name}')}{machine} NEW_RECORDINGS")


def _no_layout_error(folder: Path) -> DataError:
    """Return an error that says what the folder holds and what was expected."""
    from asdkit.layouts.base import is_recording

    expected = "Expected a folder with the healthy recordings of one machine, WAV or FLAC"
    shown = printable(str(folder))
    if not folder.exists():
        return DataError(f"{shown}: no such folder", hint=f"{expected}.")
    if not folder.is_dir():
        return DataError(f"{shown}: a file, not a folder", hint=f"{expected} (or a CSV table of them, docs/data.md).")
    suffixes: Counter[str] = Counter()
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(name for name in names if name[0] != "."):
            if is_recording(name):
                first = printable(os.path.relpath(os.path.join(path, name), folder))
                return DataError(
                    f"{shown}: its recordings ({first}, ...) are in folders that fit no layout",
                    hint=f"{expected}, and no folders in it; docs/data.md has layouts for more.",
                )
            suffixes[os.path.splitext(name)[1].lower() or "no suffix"] += 1
    others = ", ".join(f"{count} {printable(suffix)}" for suffix, count in suffixes.most_common(3))
    return DataError(
        f"{shown}: contains no recordings"
        + (f", only files of other kinds ({others})" if suffixes else " or other files"),
        hint=f"{expected}; convert other kinds of audio to one of these.",
    )
