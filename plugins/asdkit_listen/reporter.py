"""Notes and a summary on standard error while windows are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from asdkit.cli.console import message
from asdkit.cli.reporters import Reporter
from asdkit.cli.rows import Row, clock, window_row
from asdkit.text import plural, printable

if TYPE_CHECKING:
    from asdkit.bundle.stream import Listener, WindowResult
    from asdkit.bundle.stream_sources import Notice

_MAX_LINES = 12  # of one note


class ListenReporter(Reporter):
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
        verdicts = self.verdicts()
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
