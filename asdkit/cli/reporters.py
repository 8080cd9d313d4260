"""Notes and a summary on standard error while recordings (score, watch) or windows (listen) are scored."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from asdkit.cli.console import message, note
from asdkit.cli.rows import Row, clock, file_row, window_row
from asdkit.text import plural, printable

if TYPE_CHECKING:
    from asdkit.bundle.calibration import Calibrator
    from asdkit.bundle.score_recordings import FileResult
    from asdkit.bundle.stream import Listener, WindowResult
    from asdkit.bundle.stream_sources import Notice

_SCORED = ("anomalous", "normal", "undecided")
_MAX_LINES = 12  # of one note
_LIVE_S, _LINE_S = 0.5, 30  # seconds between two reports of progress: on a terminal, elsewhere


class _Reporter:
    """Counts of verdicts, and of bad files or windows."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @property
    def scored(self) -> int:
        """Number with a verdict."""
        return sum(self.counts[verdict] for verdict in _SCORED)

    def _verdicts(self) -> str:
        return ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in (*_SCORED, "bad") if self.counts[verdict])


class ScoreReporter(_Reporter):
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
        if verdicts := self._verdicts():
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


class ListenReporter(_Reporter):
    """Reports gaps, reconnections, alarms, notes and a summary of a stream.

    Parameters
    ----------
    listener
        Scores the stream.
    """

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener
        self._end = 0.0  # of the last window [s of the stream]
        self._alarm = False
        self._noted: set[str] = set()

    def start(self) -> None:
        """Report the windows, the alarm rule and what the calibration cannot support."""
        listener, rule = self.listener, self.listener.rule
        ends = "never by itself" if rule.latch else f"after {rule.quiet} normal windows in a row"
        _message(
            f"windows of {listener.seconds:g} s every {listener.hop:g} s; alarm at {rule.needed} anomalous of the last "
            f"{rule.recent}, ending {ends}"
        )
        calibrator = listener.bundle.calibrator
        ids = [listener.id] if listener.id in listener.bundle.ids else listener.bundle.ids
        for text in calibrator.limits(ids):
            _message(f"note: p-values: {text}; smaller ones are extrapolated")
        if calibrator.rule.threshold == "conformal":
            texts = [text for text in dict.fromkeys(calibrator.shortfall(str(id_)) for id_ in ids) if text]
            if len(texts) > _MAX_LINES:
                texts[_MAX_LINES:] = [f"{len(texts) - _MAX_LINES} more ids have too few clips held out"]
            for text in texts:
                _message(f"note: {text}: windows that score above all held-out clips are undecided; no alarm")

    def rows(self, events: Iterable[WindowResult | Notice]) -> Iterator[Row]:
        """Yield the row of each window; report the other events."""
        from asdkit.bundle.stream import WindowResult
        from asdkit.bundle.stream_sources import Gap, Recognised, Waiting

        for event in events:
            if isinstance(event, WindowResult):
                self._before(event)
                yield window_row(event, self.listener.gaps, self.listener.reconnects)
                if event.changed:
                    self.counts["alarms"] += event.alarm
                    _message(f"alarm {'on' if event.alarm else 'off'} at {clock(self._end)}")
            elif isinstance(event, Gap):
                _message(f"gap at {clock(self._end)}: {event.reason}")
            elif isinstance(event, Waiting):
                _message(event.reason)
            elif isinstance(event, Recognised):
                _message(event.what)
            else:
                _message(f"reconnected at {clock(self._end)}: {event.what}")

    def summary(self) -> None:
        """Report the number of windows by verdict, alarms, gaps and reconnections."""
        listener, counts = self.listener, self.counts
        verdicts = self._verdicts()
        parts = [plural(self.scored + counts["bad"], "window") + (f": {verdicts}" if verdicts else "")]
        parts.append(plural(counts["alarms"], "alarm"))
        if counts["alarms"]:
            parts[-1] += f", {'on' if self._alarm else 'off'} at the end"
        parts += [plural(listener.gaps, "gap"), plural(listener.reconnects, "reconnection")]
        if listener.left_over:
            parts.append(f"{listener.left_over:.2f} s in no window")
        _message("; ".join(parts))

    @property
    def only_bad(self) -> bool:
        """Whether there were windows and none could be scored."""
        return self.counts["bad"] > 0 and not self.scored

    def _before(self, window: WindowResult) -> None:
        """Count a window; report its notes and the first bad window before the row."""
        for text in window.notes:
            if text not in self._noted:
                self._noted.add(text)
                _message(f"note: windows are {text}")
        if window.verdict is None and not self.counts["bad"]:
            _message(f"first bad window, at {clock(window.begin)}: {window.reason}")
        self._end = window.begin + window.seconds
        self._alarm = window.alarm
        self.counts[window.verdict.verdict if window.verdict else "bad"] += 1


def _message(line: str) -> None:
    message(printable(line))
