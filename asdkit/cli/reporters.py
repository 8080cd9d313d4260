"""Notes and a summary on standard error while recordings are scored: `asdkit score`, `watch`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from asdkit.cli.console import message, note
from asdkit.cli.rows import Row, file_row
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle.calibration import Calibrator
    from asdkit.bundle.score_recordings import FileResult

_SCORED = ("anomalous", "normal", "undecided")
_LIVE_S, _LINE_S = 0.5, 30  # seconds between two reports of progress: on a terminal, elsewhere


class Reporter:
    """Counts of verdicts, and of bad files or windows."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @property
    def scored(self) -> int:
        """Number with a verdict."""
        return sum(self.counts[verdict] for verdict in _SCORED)

    def verdicts(self) -> str:
        """Return the numbers by verdict, bad ones last."""
        return ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in (*_SCORED, "bad") if self.counts[verdict])


class ScoreReporter(Reporter):
    """Reports bad files, notes, progress and a summary of scored recordings.

    Parameters
    ----------
    calibrator
        Of the bundle.
    progress
        Whether to report progress; False for a command without an end.
    """

    def __init__(self, calibrator: Calibrator, *, progress: bool = True) -> None:
        super().__init__()
        self.reasons: Counter[tuple[str, str]] = Counter()  # by verdict and its reason
        self._calibrator = calibrator
        self._extrapolated: Counter[str] = Counter()  # by id
        self._notes: dict[str, tuple[str, int]] = {}  # note -> the first path, and the number of files
        self._begin = self._shown = time.monotonic()
        # Rows on a terminal are progress enough.
        self._live = progress and sys.stderr.isatty() and not sys.stdout.isatty()
        self._progress = progress

    def rows(self, results: Iterable[FileResult]) -> Iterator[Row]:
        """Yield the row of each file with a verdict; report the others."""
        for result in results:
            verdict = result.verdict
            if verdict is None:
                self.counts["bad"] += 1
                self.counts["plugin failed"] += result.plugin_failed
                self._clear()
                message(f"bad: {printable(result.path)}: {result.reason}")
                continue
            for text in result.notes:
                self._note(text, result.path)
            self.counts[verdict.verdict] += 1
            self.counts["unknown id"] += not verdict.id_known
            if verdict.reason:
                self.reasons[verdict.verdict, verdict.reason] += 1
            elif verdict.extrapolated:
                self._extrapolated[verdict.id] += 1
            yield file_row(result)
            if self._progress:
                self._show_progress()

    def summary(self) -> None:
        """Report notes, undecided recordings and the number of recordings by verdict."""
        self._clear()
        for text, (path, count) in self._notes.items():
            if count > 1 or self._progress:
                note(f"{path if count == 1 else f'{count} recordings, the first {path}'}: {text}")
        for (verdict, reason), count in self.reasons.items():
            note(f"{count} {verdict}: {printable(reason)}")
        if self._extrapolated:
            limits = "; ".join(self._calibrator.limits(sorted(self._extrapolated)))
            note(f"{self._extrapolated.total()} p-values are extrapolated: {printable(limits)}")
        if self.counts["unknown id"]:
            note(f"{self.counts['unknown id']} of an unknown id; scored as the id that each fits best")
        pace = self.scored / max(time.monotonic() - self._begin, 1e-9)
        if verdicts := self.verdicts():
            message(f"{self.scored} scored: {verdicts}" + (f"; {pace:.1f} a second" if self._progress else ""))

    def _note(self, text: str, path: str) -> None:
        """Count a note for the summary; without an end to wait for, report its first file at once."""
        first, count = self._notes.get(text, (printable(path), 0))
        self._notes[text] = (first, count + 1)
        if count == 0 and not self._progress:
            note(f"{first}: {text}")

    def _show_progress(self) -> None:
        now = time.monotonic()
        if now - self._shown < (_LIVE_S if self._live else _LINE_S):
            return
        self._shown = now
        text = f"{self.scored} scored, {self.scored / (now - self._begin):.1f} a second"
        sys.stderr.write(f"\r{text}\x1b[K" if self._live else f"{text}\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
