"""``asdkit score``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from asdkit.cli.console import note
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
from asdkit.errors import DataError, ExitCode


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
    verify: VerifyOption = None,
    file: FileOption = None,
    format_: FormatOption = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit with code 5 if any recording is anomalous.")
    ] = False,
) -> None:
    """Score recordings: a p-value, a verdict and the time of the worst window for each.

    A p-value is the share of healthy recordings with this score or a higher one; below supported_rate it is
    extrapolated. Bad files are listed on standard error and the exit code is 1, or 4 if a plugin
    failed on one; the other files are scored.
    """
    from asdkit.bundle.score_recordings import find_recordings
    from asdkit.bundle.scoring_process import opened_scorer

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
    with opened_scorer(opening, id_) as scorer:
        reporter = ScoreReporter(scorer.calibrator)
        results = scorer.score(find_recordings(files, scorer.containers, note))
        write_rows(format_, FILE_COLUMNS, reporter.rows(results))
    reporter.summary()
    bad = reporter.counts["bad"]
    if not (reporter.scored or bad):
        raise DataError("no recordings found", hint="Name WAV or FLAC files, or folders of them.")
    if reporter.counts["plugin failed"]:
        raise typer.Exit(int(ExitCode.PLUGIN))
    if fail_on_anomaly and reporter.counts["anomalous"]:
        raise typer.Exit(int(ExitCode.ANOMALY))
    if bad:
        raise typer.Exit(int(ExitCode.PARTIAL))
