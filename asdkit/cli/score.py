"""``asdkit score``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
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
from asdkit.naming import printable

if TYPE_CHECKING:
    from asdkit.bundle.calibration import Judge
    from asdkit.bundle.files import Row


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
    from asdkit.bundle.files import find_recordings, score_files
    from asdkit.cli.opening import chosen, open_bundle, require_known

    opened = open_bundle(bundle, system, machine).deciding(false_alarm_rate, chosen(threshold))
    require_known(opened, id_)
    told = Told(opened.judge)
    rows = told.watched(score_files(opened, find_recordings(files, opened.description.containers), id_))
    write(format_, rows)
    told.summary()
    if not told.counts:
        raise DataError("nothing to score was found", hint="Name WAV or FLAC files, or folders of them.")
    if fail_on_anomaly and told.counts["anomalous"]:
        raise typer.Exit(int(ExitCode.ANOMALY))
    if told.counts["bad"]:
        raise typer.Exit(int(ExitCode.PARTIAL))


def write(format_: Format | None, rows: Iterator[Row]) -> None:
    """Write rows as asked; unless anything is, as a table on a terminal and as JSON lines elsewhere."""
    from asdkit.cli import score_rows

    chosen = format_ or (Format.table if sys.stdout.isatty() else Format.jsonl)
    {Format.table: score_rows.table, Format.jsonl: score_rows.jsonl, Format.csv: score_rows.csv}[chosen](rows)


class Told:
    """Counts rows as they pass, and tells on standard error what is wrong, how far it is, and what came of it.

    `progress` False: there is no end that it could be far from.
    """

    def __init__(self, judge: Judge, *, progress: bool = True) -> None:
        import time

        self.counts: Counter[str] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()  # what was decided, and what is to be known of that
        self._judge = judge
        self._extrapolated: Counter[str] = Counter()  # by id
        self._noted: dict[str, tuple[str, int]] = {}  # note -> the first path, and how many there are
        self._clock = time.monotonic
        self._begin = self._shown = time.monotonic()
        # Rows on a terminal are progress enough.
        self._live = progress and sys.stderr.isatty() and not sys.stdout.isatty()
        self._progressing = progress

    def watched(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass the rows with a verdict on."""
        for row in rows:
            if row.verdict is None:
                self.counts["bad"] += 1
                self._clear()
                typer.echo(f"bad: {printable(row.path)}: {row.reason}", err=True)
                continue
            for note in row.notes:
                self._note(note, row.path)
            self.counts[row.verdict.verdict] += 1
            self.counts["guessed"] += not row.verdict.id_known
            if row.verdict.reason:
                self.reasons[row.verdict.verdict, row.verdict.reason] += 1
            elif row.verdict.extrapolated:
                self._extrapolated[row.verdict.id] += 1
            yield row
            self._progress()

    def summary(self) -> None:
        """Say what could not be decided, and how much was done."""
        self._clear()
        for note, (path, count) in self._noted.items():
            if count > 1 or self._progressing:
                where = path if count == 1 else f"{count} recordings, the first {path}"
                typer.echo(f"note: {where}: {note}", err=True)
        for (verdict, reason), count in self.reasons.items():
            typer.echo(f"note: {count} {verdict}: {printable(reason)}", err=True)
        if self._extrapolated:
            limits = "; ".join(self._judge.limits(sorted(self._extrapolated)))
            typer.echo(f"note: {self._extrapolated.total()} p-values are extrapolated: {printable(limits)}", err=True)
        if self.counts["guessed"]:
            text = f"note: {self.counts['guessed']} of an unknown id; scored as the id that each fits best"
            typer.echo(text, err=True)
        done = self._done()
        rate = f"; {done / max(self._clock() - self._begin, 1e-9):.1f} a second" if self._progressing else ""
        what = ", ".join(f"{self.counts[k]} {k}" for k in ("anomalous", "normal", "undecided", "bad") if self.counts[k])
        if what:
            typer.echo(f"{done} scored: {what}{rate}", err=True)

    def _note(self, note: str, path: str) -> None:
        """Count it; all are told in the end, and the first at once where there is no end."""
        first, count = self._noted.get(note, (printable(path), 0))
        self._noted[note] = (first, count + 1)
        if count == 0 and not self._progressing:
            typer.echo(f"note: {first}: {note}", err=True)

    def _done(self) -> int:
        return sum(self.counts[k] for k in ("anomalous", "normal", "undecided"))

    def _progress(self) -> None:
        now = self._clock()
        if not self._progressing:
            return
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
