"""What a stream is heard to be: a row a window on standard output, all else on standard error."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from asdkit.cli.options import Format
from asdkit.cli.score_rows import cell, shown_p
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle.stream import Listener, WindowResult
    from asdkit.bundle.stream_sources import Gap, Reconnected, Waiting

COLUMNS = (
    "time", "begin", "seconds", "id", "id_known", "score", "p_value", "verdict", "alarm", "worst_seconds",
    "supported_rate", "gaps", "reconnects", "reason",
)  # fmt: skip
_COLOURS = {"anomalous": "\x1b[1;31m", "undecided": "\x1b[33m", "normal": "\x1b[32m", "bad": "\x1b[33m"}

Row = dict[str, Any]


class ListenReporter:
    """Makes rows of what is heard; tells on standard error of gaps and alarms, and what came of it all."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.counts: Counter[str] = Counter()
        self._end = 0.0  # s of the stream
        self._noted: set[str] = set()

    def begin(self) -> None:
        """Say how it is heard, and what cannot be decided."""
        listener = self.listener
        rule = listener.rule
        ends = "never by itself" if rule.latch else f"after {rule.quiet} normal windows in a row"
        _tell(
            f"windows of {listener.seconds:g} s every {listener.hop:g} s; alarm at {rule.needed} anomalous of the last "
            f"{rule.recent}, ending {ends}"
        )
        judge = listener.bundle.calibrator
        ids = [listener.id] if listener.id in listener.bundle.ids else listener.bundle.ids
        for text in judge.limits(ids):
            _tell(f"note: p-values: {text}; smaller ones are extrapolated")
        if judge.rule.threshold == "conformal":
            for text in dict.fromkeys(judge.shortfall(str(id_)) for id_ in ids):
                if text:
                    _tell(f"note: {text}: windows beyond what was held out are undecided and raise no alarm")

    def watched(self, events: Iterable[WindowResult | Gap | Waiting | Reconnected]) -> Iterator[Row]:
        """Make rows of windows, and tell of the rest as it passes."""
        from asdkit.bundle.stream import WindowResult
        from asdkit.bundle.stream_sources import Gap, Waiting

        for event in events:
            if isinstance(event, WindowResult):
                for note in event.notes:
                    if note not in self._noted:
                        self._noted.add(note)
                        _tell(f"note: windows are {note}")
                if event.verdict is None and not self.counts["bad"]:
                    _tell(f"first bad window, at {clock(event.begin)}: {event.reason}")
                yield self._row(event)
                if event.changed:
                    self.counts["alarms"] += event.alarm
                    _tell(f"alarm {'on' if event.alarm else 'off'} at {clock(self._end)}")
            elif isinstance(event, Gap):
                _tell(f"gap at {clock(self._end)}: {event.reason}")
            elif isinstance(event, Waiting):
                _tell(event.reason)
            else:
                _tell(f"reconnected at {clock(self._end)}: {event.what}")

    def summary(self) -> None:
        """Say what was heard."""
        listener, counts = self.listener, self.counts
        kinds = ", ".join(f"{counts[k]} {k}" for k in ("anomalous", "normal", "undecided", "bad") if counts[k])
        windows = _number(sum(counts[k] for k in ("anomalous", "normal", "undecided", "bad")), "window")
        parts = [f"{windows} heard{': ' + kinds if kinds else ''}", _number(counts["alarms"], "alarm")]
        if counts["alarms"]:
            parts[-1] += f", {'on' if self.counts['on'] else 'off'} at the end"
        parts += [_number(listener.gaps, "gap"), _number(listener.reconnects, "reconnection")]
        if listener.left_over:
            parts.append(f"{listener.left_over:.2f} s in no window")
        _tell("; ".join(parts))

    @property
    def in_vain(self) -> bool:
        """Whether there were windows, and none could be scored."""
        return self.counts["bad"] > 0 and not any(self.counts[k] for k in ("anomalous", "normal", "undecided"))

    def _row(self, heard: WindowResult) -> Row:
        verdict = heard.verdict
        worst = verdict.worst_seconds if verdict else None
        self._end = heard.begin + heard.seconds
        self.counts[verdict.verdict if verdict else "bad"] += 1
        self.counts["on"] = int(heard.alarm)
        return {
            "time": datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="seconds"),
            "begin": round(heard.begin, 3),
            "seconds": round(heard.seconds, 3),
            "id": verdict.id if verdict else None,
            "id_known": verdict.id_known if verdict else None,
            "score": verdict.score if verdict else None,
            "p_value": verdict.p_value if verdict else None,
            "verdict": verdict.verdict if verdict else "bad",
            "alarm": heard.alarm,
            "worst_seconds": None if worst is None else round(worst, 3),
            "supported_rate": verdict.supported_rate if verdict else None,
            "gaps": self.listener.gaps,
            "reconnects": self.listener.reconnects,
            "reason": (verdict.reason if verdict else heard.reason) or None,
            "members": dict(verdict.members) if verdict else None,
        }


def write(format_: Format | None, rows: Iterator[Row]) -> None:
    """Write rows as asked; unless anything is, as a table on a terminal and as JSON lines elsewhere."""
    chosen = format_ or (Format.table if sys.stdout.isatty() else Format.jsonl)
    line = {Format.table: _table_line, Format.jsonl: _json_line, Format.csv: _csv_line}[chosen]
    if chosen is Format.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerow(COLUMNS)
    elif chosen is Format.table:
        sys.stdout.write(f"{'from':>10}  {'id':>10}  {'score':>10}  {'p-value':>9}  {'verdict':<10}{'worst at':>10}\n")
    for row in rows:
        line(row)
        sys.stdout.flush()


def clock(seconds: float) -> str:
    """``3725.5`` as ``1:02:05.5``."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}"


def _json_line(row: Row) -> None:
    sys.stdout.write(json.dumps(row, allow_nan=False) + "\n")


def _csv_line(row: Row) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerow([cell(row[c]) for c in COLUMNS])


def _table_line(row: Row) -> None:
    id_ = "-" if row["id"] is None else printable(row["id"]) + ("" if row["id_known"] else "?")
    score = "-" if row["score"] is None else f"{row['score']:.4g}"
    p = shown_p(row["p_value"], row["supported_rate"])
    verdict = f"{row['verdict']:<10}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        verdict = f"{_COLOURS[row['verdict']]}{verdict}\x1b[0m"
    worst = "-" if row["worst_seconds"] is None else f"{row['worst_seconds']:.2f} s"
    end = "  ALARM" if row["alarm"] else ""
    bad = f"  {row['reason']}" if row["verdict"] == "bad" else ""
    sys.stdout.write(f"{clock(row['begin']):>10}  {id_:>10}  {score:>10}  {p:>9}  {verdict}{worst:>10}{end}{bad}\n")


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tell(line: str) -> None:
    typer.echo(printable(line), err=True)
