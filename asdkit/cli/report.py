"""``asdkit report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]) -> None:
    """Write the report of a finished run again: report.html, and its plots in plots/."""
    from asdkit.report import write_report

    typer.echo(write_report(run.absolute()))
