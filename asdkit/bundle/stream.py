"""Score a stream window by window, and derive an alarm from the verdicts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from asdkit import audio
from asdkit.audio import CANCELLED, SILENT, Wave
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.plausibility import implausible, level_remarks
from asdkit.bundle.result import Verdict
from asdkit.bundle.score_recordings import differences
from asdkit.bundle.stream_sources import Gap, Notice, Reconnected, Sound, StreamEvent
from asdkit.errors import DataError, UsageError

_MAX_SECONDS = 3600  # longest window; one window is kept in memory
_MAX_OVERLAP = 1000  # most windows over the same sample: a smaller hop is a mistake and would take hours


@dataclass(frozen=True)
class AlarmRule:
    """When an alarm begins and ends.

    Attributes
    ----------
    needed, recent
        It begins when `needed` of the last `recent` windows are anomalous. Windows before the end of the previous
        alarm do not count.
    quiet
        It ends after this many normal windows in a row, so that scores near the threshold do not switch it off and on
        (hysteresis).
    latch
        Whether it stays on.
    """

    needed: int = 3
    recent: int = 5
    quiet: int = 5
    latch: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.recent:
            raise UsageError(
                f"an alarm at {self.needed} of {self.recent} windows; expected at least 1, and no more than the second"
            )
        if self.quiet < 1:
            raise UsageError(f"an alarm that ends after {self.quiet} normal windows; expected at least 1")


class Alarm:
    """State of an alarm.

    Parameters
    ----------
    rule
        When it begins and ends.
    """

    def __init__(self, rule: AlarmRule) -> None:
        self.rule = rule
        self.on = False
        self._recent: deque[bool] = deque(maxlen=rule.recent)
        self._quiet = 0

    def update(self, anomalous: bool | None) -> bool:
        """Add the decision on a window; return whether the alarm is on.

        None (no decision) counts neither as anomalous nor as normal.

        Examples
        --------
        >>> alarm = Alarm(AlarmRule(needed=2, recent=3, quiet=1))
        >>> [alarm.update(anomalous) for anomalous in (True, None, True, False)]
        [False, False, True, False]
        """
        self._recent.append(anomalous is True)
        self._quiet = self._quiet + 1 if anomalous is False else 0
        if not self.on:
            self.on = sum(self._recent) >= self.rule.needed
        elif not self.rule.latch and self._quiet >= self.rule.quiet:
            self.on = False
            self._recent.clear()
        return self.on


@dataclass(frozen=True)
class WindowResult:
    """Result for one window of a stream.

    Attributes
    ----------
    begin
        Seconds of sound before the window.
    seconds
        Its duration.
    verdict
        None if the window could not be scored; `reason` says why.
    alarm, changed
        Whether the alarm is on after the window, and whether the window changed that.
    notes
        Remarks on the verdict. The text is the same for all windows with the same remark.
    """

    begin: float
    seconds: float
    verdict: Verdict | None
    reason: str
    alarm: bool
    changed: bool
    notes: tuple[str, ...] = ()


class Listener:
    """Cuts a stream into windows and scores them.

    Parameters
    ----------
    bundle
        The system.
    seconds
        Duration of a window; None: that of the bundle's training clips.
    hop
        Seconds from the start of one window to the start of the next; None: `seconds`.
    id_
        Id of the machine; None: the only id of the bundle, or the one that each window fits best.
    rule
        When an alarm begins and ends.

    Attributes
    ----------
    gaps, reconnects
        Number so far.
    left_over
        Seconds of sound that are in no window: before gaps, and at the end.

    Raises
    ------
    UsageError
        If windows are too short or too long, or their duration is not known, or `hop` is longer than a window or
        shorter than a thousandth of it.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        seconds: float | None = None,
        hop: float | None = None,
        id_: str | None = None,
        rule: AlarmRule = AlarmRule(),
    ) -> None:
        length = bundle.description.clip_seconds if seconds is None else seconds
        if length is None:
            raise UsageError("this bundle has no record of the duration of its training clips; set --window")
        if not 0 < length <= _MAX_SECONDS:
            raise UsageError(f"windows of {length:g} s; expected more than 0 s and at most {_MAX_SECONDS} s")
        reason = bundle.too_short(round(length * bundle.sample_rate))
        if reason:
            raise UsageError(f"windows are {reason}")
        self.bundle, self.seconds, self.id, self.rule = bundle, length, id_, rule
        self.hop = length if hop is None else hop
        if not length / _MAX_OVERLAP <= self.hop <= length:
            raise UsageError(
                f"windows of {length:g} s every {self.hop:g} s; expected no more than their length, and no less than "
                f"a thousandth of it"
            )
        self.gaps = self.reconnects = 0
        self.left_over = 0.0
        self._alarm = Alarm(rule)
        self._cutter = _WindowCutter(self.seconds, self.hop)

    def score_stream(self, events: Iterable[StreamEvent]) -> Iterator[WindowResult | Notice]:
        """Score a stream to its end; events other than `Sound` pass through."""
        for event in events:
            if isinstance(event, Sound):
                for begin, wave in self._cutter.add(event):
                    yield self._score_window(begin, wave, event.sample_rate)
                continue
            if isinstance(event, Gap):
                self.gaps += 1
                self.left_over += self._cutter.clear()
            self.reconnects += isinstance(event, Reconnected)
            yield event
        self.left_over += self._cutter.clear()

    def _score_window(self, begin: float, wave: Wave, sample_rate: int) -> WindowResult:
        description = self.bundle.description
        verdict, reason = None, implausible(description, wave)
        try:
            verdict = None if reason else self.bundle.score(wave, sample_rate, self.id)
        except DataError as error:
            reason = error.message
        else:
            reason += "; is --samples the format of the stream?" if reason else ""
        silence = CANCELLED if self._cutter.cancels else SILENT if audio.is_silent(wave, self._cutter.samples) else ""
        if verdict and silence:
            verdict = verdict.undecided(silence)
        before = self._alarm.on
        alarm = self._alarm.update(None if verdict is None else verdict.anomalous)
        seconds = len(wave) / sample_rate
        notes = []
        if verdict:
            notes = [silence] if silence else level_remarks(description, wave)
            notes += differences(description, sample_rate, seconds)
        return WindowResult(begin, seconds, verdict, reason, alarm, alarm != before, tuple(notes))


class _WindowCutter:
    """Cuts sound into windows; keeps the sound of the next, incomplete window.

    Attributes
    ----------
    cancels
        Whether the channels cancel in most of the last window.
    samples
        Sample format of the last sound.
    """

    def __init__(self, seconds: float, hop: float) -> None:
        self._seconds, self._hop = seconds, hop
        self.cancels = False
        self.samples = ""
        self._buffer: Wave | None = None
        self._cancels = np.empty(0, bool)  # of each sample of the buffer
        self._rate = 0
        self._unused = 0  # samples of the buffer that were in no window yet
        self._begin = 0.0  # seconds of sound before the buffer

    def add(self, sound: Sound) -> Iterator[tuple[float, Wave]]:
        """Add sound; yield each window that it completes, with its start [s]."""
        buffer: Wave = sound.wave if self._buffer is None else np.concatenate([self._buffer, sound.wave])
        cancels = np.concatenate([self._cancels, np.full(len(sound.wave), sound.cancels)])
        self._rate = rate = sound.sample_rate
        self.samples = sound.samples
        self._unused += len(sound.wave)
        window, hop = round(self._seconds * rate), max(1, round(self._hop * rate))
        first = 0
        while first + window <= len(buffer):
            self._unused = len(buffer) - first - window
            self.cancels = bool(cancels[first : first + window].mean() > 0.5)
            yield self._begin + first / rate, buffer[first : first + window]
            first += hop
        self._begin += first / rate
        self._buffer, self._cancels = buffer[first:].copy(), cancels[first:].copy()

    def clear(self) -> float:
        """Drop the buffer; return the seconds of it that were in no window."""
        if self._buffer is None:
            return 0.0
        unused = self._unused / self._rate
        self._begin += len(self._buffer) / self._rate
        self._buffer, self._cancels, self._unused = None, np.empty(0, bool), 0
        return unused
