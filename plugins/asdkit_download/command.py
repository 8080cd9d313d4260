"""Options and work of ``asdkit download``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import message
from asdkit.cli.options import MachineOption

if TYPE_CHECKING:
    from asdkit.data.editions import Archive


def download(
    edition: Annotated[str, typer.Argument(metavar="EDITION", help="dcase2020 to dcase2026.")],
    machine: MachineOption = None,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="Target folder.  [default: data/<edition>]")
    ] = None,
) -> None:
    """Download an edition of the challenge from Zenodo, verify and unpack it, ready for a spec's data.root.

    Run it again to resume an interrupted download.
    """
    from asdkit.data.download import fetch, list_archives

    folder = root or Path("data") / edition
    archives = list_archives(edition, machine)
    total = sum(archive.size for archive in archives)
    message(f"{len(archives)} archives, {total / 1e9:.2f} GB, into {folder}")
    for archive in archives:
        is_new = fetch(archive, folder, watch=_Meter(archive))
        message(f"{archive.part}/{archive.name}: {'unpacked' if is_new else 'exists already'}")


class _Meter:
    """Progress of one archive on a terminal: one line, rewritten at each per cent."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.percent = -1

    def __call__(self, size: int) -> None:
        percent = 100 * size // self.archive.size
        if percent != self.percent and sys.stderr.isatty():
            self.percent = percent
            end = "\n" if size == self.archive.size else ""
            sys.stderr.write(f"\r{self.archive.part}/{self.archive.name}: {percent:3} %{end}")
            sys.stderr.flush()
