"""``asdkit download``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.options import MachineOption


def download(
    edition: Annotated[str, typer.Argument(metavar="EDITION", help="dcase2020 to dcase2026.")],
    machine: MachineOption = None,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="Where to.  [default: data/<edition>]")
    ] = None,
) -> None:
    """Download an edition of the challenge from Zenodo: checked, unpacked, ready for a spec's data.root.

    Run it again to go on where it broke off.
    """
    from asdkit.dataset.download import fetch, list_archives

    place = root or Path("data") / edition
    archives = list_archives(edition, machine)
    total = sum(archive.size for archive in archives)
    typer.echo(f"{len(archives)} archives, {total / 1e9:.2f} GB, into {place}", err=True)
    for archive in archives:
        new = fetch(archive, place)
        typer.echo(f"{archive.part}/{archive.name}: {'unpacked' if new else 'there already'}", err=True)
