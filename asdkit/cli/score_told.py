"""What is told on standard error while recordings are scored, and in the end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle.calibration import Calibrator
    from asdkit.bundle.score_recordings import FileResult


class ScoreReporter:
    """Counts rows as they pass, and tells on standard error what is wrong, how far it is, and what came of it.

    `progress` False: there is no end that it could be far from.
    """

    def __init__(self, judge: Calibrator, *, progress: bool = True) -> None:
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

    def watched(self, rows: Iterable[FileResult]) -> Iterator[FileResult]:
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
