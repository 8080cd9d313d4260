"""``asdkit data``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import DASH, print_table
from asdkit.cli.options import GroundTruthOption, LayoutOption
from asdkit.errors import ExitCode

if TYPE_CHECKING:
    from asdkit.data.inventory import Inventory

_MAX_LINES = 20


def data(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A data folder, or a table of clips (CSV).")],
    layout: LayoutOption = None,
    ground_truth: GroundTruthOption = None,
) -> None:
    """Show what a data folder holds: its layout, its clips, and missing, odd, foreign or broken files.

    The exit code is 3 if a recording is broken or the folder has a fault; missing files are no fault.
    """
    from asdkit.data.inventory import take_inventory

    inventory = take_inventory(path, layout, ground_truth or ())
    _print_inventory(inventory)
    if inventory.faults or inventory.broken:
        raise typer.Exit(int(ExitCode.DATA))


def _print_inventory(inventory: Inventory) -> None:
    rows: dict[tuple[str, str, str, str], list[int]] = {}
    for (machine, id_, split, domain, label), count in inventory.counts.items():
        cells = rows.setdefault((machine, id_, split, domain or DASH), [0, 0, 0])
        cells[2 if label is None else label] += count
    header = ["machine", "id", "split", "domain", "normal", "anomaly", "unknown"]
    also = f" (or {', '.join(inventory.also)}: nothing here tells them apart)" if inventory.also else ""
    title = f"layout {inventory.layout}{also}, {len(inventory.clips)} clips"
    print_table(header, [[*key, *(str(n) if n else DASH for n in cells)] for key, cells in rows.items()], title=title)
    kinds = [f"{n} of {rate} Hz, {ch} ch, {seconds:g} s" for (rate, ch, seconds), n in inventory.kinds.most_common()]
    _print_lines("recordings", kinds)
    _print_lines("not here (a partial download is fine)", [", ".join(inventory.absent)] if inventory.absent else [])
    _print_lines("missing or too many", inventory.missing)
    _print_lines("gaps", inventory.gaps)
    _print_lines("uneven", inventory.uneven)
    _print_lines("foreign", inventory.foreign)
    _print_lines("other", [inventory.unread] if inventory.unread else [])
    _print_lines("channels cancel in their mean", inventory.cancelled)
    _print_lines("broken", inventory.broken)
    _print_lines("wrong", inventory.faults)


def _print_lines(title: str, lines: Iterable[str]) -> None:
    every = list(lines)
    for line in every[:_MAX_LINES]:
        typer.echo(f"{title}: {line}")
    if len(every) > _MAX_LINES:
        typer.echo(f"{title}: ... and {len(every) - _MAX_LINES} more")
