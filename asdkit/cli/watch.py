"""``asdkit watch``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import message, note, pipe_closed
from asdkit.cli.options import (
    BundleArgument,
    FileOption,
    FormatOption,
    IdOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
    VerifyOption,
    open_bundle,
)
from asdkit.cli.reporters import ScoreReporter
from asdkit.cli.rows import FILE_COLUMNS, write_rows
from asdkit.errors import DataError
from asdkit.stop_signals import stop_on_signals
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle.watch import FolderWatch


def watch(
    bundle: BundleArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where recordings appear, there or below.")],
    existing: Annotated[
        bool, typer.Option("--existing", help="Also score the recordings that exist at start.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            "--settle", metavar="SECONDS", min=0.05, max=3600, help="A file is complete once unchanged for so long."
        ),
    ] = 1.0,
    id_: IdOption = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    verify: VerifyOption = None,
    file: FileOption = None,
    format_: FormatOption = None,
) -> None:
    """Score recordings as they appear in a folder, each once, until Ctrl-C.

    Rows are those of `asdkit score`. Incomplete files are scored once complete. Bad files are reported once on
    standard error and skipped. Prints a summary and exits with code 130 (Ctrl-C) or 143 (SIGTERM).
    """
    from asdkit.bundle.scoring_process import opened_scorer
    from asdkit.bundle.watch import FolderWatch
    from asdkit.bundle.watch import watch as score_new

    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{printable(str(folder))}: {what}", hint="Name the folder that recordings will appear in.")
    output = sys.stdout
    opening = partial(
        open_bundle,
        bundle,
        system,
        machine,
        id_=id_,
        false_alarm_rate=false_alarm_rate,
        threshold=threshold,
        verify=verify,
        files=file,
    )
    with stop_on_signals() as stop, opened_scorer(opening, id_, persistent=True) as scorer:
        watched = FolderWatch(
            str(folder),
            settle=settle,
            containers=scorer.containers,
            existing=existing,
            notify=note,
        )
        message(f"watching {printable(str(folder))}{_at_start(watched, existing)}")
        reporter = ScoreReporter(scorer.calibrator, progress=False)
        results = score_new(scorer, watched, lambda: bool(stop) or pipe_closed(output))
        write_rows(format_, FILE_COLUMNS, reporter.rows(results))
        reporter.summary()
    if stop:
        raise typer.Exit(stop.exit_code)


def _at_start(watched: FolderWatch, existing: bool) -> str:
    """Say what happens to the recordings that exist at the start: no record says which were scored before."""
    count = watched.count_existing() if existing else watched.done_count
    if not count:
        return ""
    if existing:
        return f"; existing recordings: {count}, all of them are scored, those scored before again"
    return f"; existing recordings: {count} skipped, never scored ones too (--existing scores all of them)"
