"""``asdkit download``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.options import MachineOption

if TYPE_CHECKING:
    from asdkit.data.editions import Archive


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
    from asdkit.data.download import fetch, list_archives

    place = root or Path("data") / edition
    archives = list_archives(edition, machine)
    total = sum(archive.size for archive in archives)
    typer.echo(f"{len(archives)} archives, {total / 1e9:.2f} GB, into {place}", err=True)
    for archive in archives:
        new = fetch(archive, place, watch=_Meter(archive))
        typer.echo(f"{archive.part}/{archive.name}: {'unpacked' if new else 'there already'}", err=True)


class _Meter:
    """How much of an archive is there, on a terminal: one line, written anew at each per cent."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.shown = -1

    def __call__(self, size: int) -> None:
        share = 100 * size // self.archive.size
        if share != self.shown and sys.stderr.isatty():
            self.shown = share
            end = "\n" if size == self.archive.size else ""
            sys.stderr.write(f"\r{self.archive.part}/{self.archive.name}: {share:3} %{end}")
            sys.stderr.flush()
