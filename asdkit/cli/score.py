"""``asdkit score``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.options import (
    BundleArgument,
    Format,
    FormatOption,
    IdOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
)
from asdkit.errors import DataError, ExitCode

if TYPE_CHECKING:
    from asdkit.bundle.score_recordings import FileResult


def score(
    bundle: BundleArgument,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Recordings, folders of them, patterns, or - for paths on stdin."),
    ],
    id_: IdOption = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    format_: FormatOption = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="End with exit code 5 if any recording is anomalous.")
    ] = False,
) -> None:
    """Score recordings: a p-value, a verdict and the time of the worst window for each.

    A p-value is the share of healthy recordings that score so high or higher; below supported_rate it is extrapolated.
    Bad files are listed on standard error and end the command with exit code 1; the good ones are scored.
    """
    from asdkit.bundle.score_recordings import find_recordings, score_files
    from asdkit.cli.opening import chosen, open_bundle, require_known
    from asdkit.cli.score_told import ScoreReporter

    opened = open_bundle(bundle, system, machine).deciding(false_alarm_rate, chosen(threshold))
    require_known(opened, id_)
    told = ScoreReporter(opened.calibrator)
    rows = told.watched(score_files(opened, find_recordings(files, opened.description.containers), id_))
    write(format_, rows)
    told.summary()
    if not told.counts:
        raise DataError("nothing to score was found", hint="Name WAV or FLAC files, or folders of them.")
    if fail_on_anomaly and told.counts["anomalous"]:
        raise typer.Exit(int(ExitCode.ANOMALY))
    if told.counts["bad"]:
        raise typer.Exit(int(ExitCode.PARTIAL))


def write(format_: Format | None, rows: Iterator[FileResult]) -> None:
    """Write rows as asked; unless anything is, as a table on a terminal and as JSON lines elsewhere."""
    from asdkit.cli import score_rows

    chosen = format_ or (Format.table if sys.stdout.isatty() else Format.jsonl)
    {Format.table: score_rows.table, Format.jsonl: score_rows.jsonl, Format.csv: score_rows.csv}[chosen](rows)
