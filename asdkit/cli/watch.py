"""``asdkit watch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.options import (
    BundleArgument,
    FormatOption,
    IdOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
)
from asdkit.errors import DataError
from asdkit.text import printable


def watch(
    bundle: BundleArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where recordings appear, there or below.")],
    existing: Annotated[
        bool, typer.Option("--existing", help="Score the recordings that are there already as well.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            "--settle", metavar="SECONDS", min=0.05, max=3600, help="How long a file must stay as it is to be whole."
        ),
    ] = 1.0,
    id_: IdOption = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    format_: FormatOption = None,
) -> None:
    """Score recordings as they appear in a folder, each once, until Ctrl-C.

    Rows are those of `asdkit score`. A file that is being written is waited for. Bad files are told once on standard
    error and passed over. Ends with exit code 130 (Ctrl-C) or 143 (SIGTERM), after a summary.
    """
    from asdkit.bundle.watch import FolderWatch
    from asdkit.bundle.watch import watch as rows_of
    from asdkit.cli.opening import chosen, open_bundle, require_known
    from asdkit.cli.score import write
    from asdkit.cli.score_told import ScoreReporter
    from asdkit.cli.stopping import Stopping

    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{printable(str(folder))}: {what}", hint="Name the folder that recordings will appear in.")
    stopping = Stopping()
    opened = open_bundle(bundle, system, machine).deciding(false_alarm_rate, chosen(threshold))
    require_known(opened, id_)
    watched = FolderWatch(
        str(folder),
        settle=settle,
        containers=opened.description.containers,
        existing=existing,
        notify=lambda line: typer.echo(f"note: {line}", err=True),
    )
    passed = f"; recordings that are there already: {watched.done_count} (--existing scores them)"
    typer.echo(f"watching {printable(str(folder))}{'' if existing else passed}", err=True)
    told = ScoreReporter(opened.calibrator, progress=False)
    write(format_, told.watched(rows_of(opened, watched, stopping.asked, id_)))
    told.summary()
    stopping.leave()
