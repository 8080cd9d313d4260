"""``asdkit data``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.options import GroundTruthOption, LayoutOption
from asdkit.errors import ExitCode

if TYPE_CHECKING:
    from asdkit.data.inventory import Inventory

_LINES = 20


def data(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A data folder, or a table of clips (CSV).")],
    layout: LayoutOption = None,
    ground_truth: GroundTruthOption = None,
) -> None:
    """Say what a data folder holds: its layout, clips, and what is missing, odd, foreign or broken.

    Ends with exit code 3 where a recording is broken or the folder has a fault; what is missing is no fault.
    """
    from asdkit.data.inventory import take_inventory

    inventory = take_inventory(path, layout, ground_truth or ())
    _report(inventory)
    if inventory.faults or inventory.broken:
        raise typer.Exit(int(ExitCode.DATA))


def _report(inventory: Inventory) -> None:
    from asdkit.cli.console import DASH, print_table

    rows: dict[tuple[str, str, str, str], list[int]] = {}
    for (machine, id_, split, domain, label), count in inventory.counts.items():
        cells = rows.setdefault((machine, id_, split, domain or DASH), [0, 0, 0])
        cells[2 if label is None else label] += count
    header = ["machine", "id", "split", "domain", "normal", "anomaly", "unknown"]
    also = f" (or {', '.join(inventory.also)}: nothing here tells them apart)" if inventory.also else ""
    title = f"layout {inventory.layout}{also}, {len(inventory.clips)} clips"
    print_table(header, [[*key, *(str(n) if n else DASH for n in cells)] for key, cells in rows.items()], title=title)
    kinds = [f"{n} of {rate} Hz, {ch} ch, {seconds} s" for (rate, ch, seconds), n in inventory.kinds.most_common()]
    _say("recordings", kinds)
    _say("not here (a partial download is fine)", [", ".join(inventory.absent)] if inventory.absent else [])
    _say("missing or too many", inventory.missing)
    _say("gaps", inventory.gaps)
    _say("uneven", inventory.uneven)
    _say("foreign", inventory.foreign)
    _say("broken", inventory.broken)
    _say("wrong", inventory.faults)


def _say(title: str, lines: Iterable[str]) -> None:
    every = list(lines)
    for line in every[:_LINES]:
        typer.echo(f"{title}: {line}")
    if len(every) > _LINES:
        typer.echo(f"{title}: ... and {len(every) - _LINES} more")
