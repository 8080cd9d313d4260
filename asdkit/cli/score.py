"""``asdkit score``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.options import (
    BundleArgument,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
)
from asdkit.errors import DataError, ExitCode

if TYPE_CHECKING:
    from asdkit.bundle import Bundle
    from asdkit.bundle.files import Row


class Format(str, Enum):  # noqa: UP042 (typer shows the values)
    """How rows are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


def score(
    bundle: BundleArgument,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Recordings, folders of them, patterns, or - for paths on stdin."),
    ],
    id_: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Which machine it is.  [default: what the names say]")
    ] = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="[default: table on a terminal, else jsonl]", show_default=False)
    ] = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="End with exit code 5 if any recording is anomalous.")
    ] = False,
) -> None:
    """Score recordings: a p-value, a verdict and the time of the worst window for each.

    A p-value is the share of healthy recordings that score so high or higher. Bad files are listed on standard error
    and end the command with exit code 1; the good ones are scored.
    """
    from asdkit.bundle.files import find_recordings, score_files
    from asdkit.cli.opening import chosen, open_bundle

    opened = open_bundle(bundle, system, machine).deciding(false_alarm_rate, chosen(threshold))
    if id_ is not None and id_ not in opened.ids:
        typer.echo(f"note: the bundle does not know id {id_}, only {', '.join(opened.ids)}", err=True)
    told = _Told(opened)
    rows = told.watched(score_files(opened, find_recordings(files), id_))
    _write(format_ or (Format.table if sys.stdout.isatty() else Format.jsonl), rows)
    told.summary()
    if not told.counts:
        raise DataError("nothing to score was found", hint="Name WAV or FLAC files, or folders of them.")
    if fail_on_anomaly and told.counts["anomalous"]:
        raise typer.Exit(int(ExitCode.ANOMALY))
    if told.counts["bad"]:
        raise typer.Exit(int(ExitCode.PARTIAL))


def _write(format_: Format, rows: Iterator[Row]) -> None:
    from asdkit.cli import score_rows

    {Format.table: score_rows.table, Format.jsonl: score_rows.jsonl, Format.csv: score_rows.csv}[format_](rows)


class _Told:
    """Counts rows as they pass, and tells on standard error what is wrong, how far it is, and what came of it."""

    def __init__(self, bundle: Bundle) -> None:
        import time

        self.bundle = bundle
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._clock = time.monotonic
        self._begin = self._shown = time.monotonic()
        # Rows on a terminal are progress enough.
        self._live = sys.stderr.isatty() and not sys.stdout.isatty()

    def watched(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass the rows with a verdict on."""
        from asdkit.naming import printable

        for row in rows:
            if row.verdict is None:
                self.counts["bad"] += 1
                self._clear()
                typer.echo(f"bad: {printable(row.path)}: {row.reason}", err=True)
                continue
            self.counts[row.verdict.verdict] += 1
            self.counts["guessed"] += not row.verdict.id_known
            if row.verdict.reason:
                self.reasons[row.verdict.reason] += 1
            yield row
            self._progress()

    def summary(self) -> None:
        """Say what could not be decided, and how much was done."""
        self._clear()
        for reason, count in self.reasons.items():
            typer.echo(f"note: {count} undecided: {reason}", err=True)
        if self.counts["guessed"]:
            text = f"note: {self.counts['guessed']} of an unknown id; scored as the id that each fits best"
            typer.echo(text, err=True)
        done = self._done()
        seconds = max(self._clock() - self._begin, 1e-9)
        what = ", ".join(f"{self.counts[k]} {k}" for k in ("anomalous", "normal", "undecided", "bad") if self.counts[k])
        if what:
            typer.echo(f"{done} scored: {what}; {done / seconds:.1f} a second", err=True)

    def _done(self) -> int:
        return sum(self.counts[k] for k in ("anomalous", "normal", "undecided"))

    def _progress(self) -> None:
        now = self._clock()
        every = 0.5 if self._live else 30
        if now - self._shown < every:
            return
        self._shown = now
        text = f"{self._done()} scored, {self._done() / (now - self._begin):.1f} a second"
        sys.stderr.write(f"\r{text}\x1b[K" if self._live else f"{text}\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
