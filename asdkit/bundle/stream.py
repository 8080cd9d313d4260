"""From the verdicts of a stream's windows to an alarm: on at once when it matters, off only when it is quiet.

A stream, window by window: what `Bundle.score` says of each, and whether there is an alarm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from asdkit import audio
from asdkit.audio import Wave
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.result import Verdict
from asdkit.bundle.score_recordings import SILENT, differences
from asdkit.bundle.stream_sources import Gap, Reconnected, Sound, StreamEvent, Waiting
from asdkit.errors import DataError, UsageError


@dataclass(frozen=True)
class AlarmRule:
    """When an alarm begins and ends.

    Attributes
    ----------
    needed, recent
        It begins when `needed` of the last `of` windows are anomalous; windows before the last alarm's end do not
        count.
    quiet
        It ends after so many normal windows in a row: what hovers around the threshold does not switch it off and on
        (hysteresis).
    latch
        Whether it never ends by itself.
    """

    needed: int = 3
    recent: int = 5
    quiet: int = 5
    latch: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.recent:
            raise UsageError(f"an alarm at {self.needed} of {self.recent} windows; expected at least 1, of no fewer")
        if self.quiet < 1:
            raise UsageError(f"an alarm that ends after {self.quiet} quiet windows; expected at least 1")


class Alarm:
    """The state of an alarm, window by window.

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
        """Take in a window's verdict, and say whether the alarm is on.

        A window that could not be judged (None) is neither anomalous nor quiet.
        """
        self._recent.append(anomalous is True)
        self._quiet = self._quiet + 1 if anomalous is False else 0
        if not self.on:
            self.on = sum(self._recent) >= self.rule.needed
        elif not self.rule.latch and self._quiet >= self.rule.quiet:
            self.on = False
            self._recent.clear()
        return self.on


_LONGEST = 3600  # seconds of a window, which is kept in memory
_LOUDEST = 1e3  # times full scale: no sound is so loud
_MOST_OVERLAPPING = 1000  # windows that hold the same moment: more is a slip of the pen, and never ends


@dataclass(frozen=True)
class WindowResult:
    """What is said of one window of a stream.

    Attributes
    ----------
    begin
        Where it begins: seconds of sound heard before it.
    seconds
        How long it is.
    verdict
        None where it could not be scored; `reason` says why.
    alarm, changed
        Whether the alarm is on after it, and whether it was otherwise before.
    notes
        What a person should know of the verdict, in words that are the same for all windows that it is true of.
    """

    begin: float
    seconds: float
    verdict: Verdict | None
    reason: str
    alarm: bool
    changed: bool
    notes: tuple[str, ...] = ()


class Listener:
    """Cuts a stream into windows and judges them.

    Parameters
    ----------
    bundle
        What scores them.
    seconds
        Length of a window; None: that of the clips that the bundle learnt from.
    hop
        Seconds from one window's begin to the next; None: `seconds`.
    id_
        Id of the machine; None: the bundle's, or where it has several, that which each window fits best.
    rule
        When an alarm begins and ends.

    Attributes
    ----------
    gaps, reconnects
        How many so far.
    left_over
        Seconds of sound that no window holds: before gaps, and at the end.

    Raises
    ------
    UsageError
        If windows are too short or too long, or their length is not known, or `hop` is not between a thousandth of it
        and it.
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
            raise UsageError("this bundle does not say how long the clips were that it learnt from; set --window")
        if not 0 < length <= _LONGEST:
            raise UsageError(f"windows of {length:g} s; expected more than 0 s and at most {_LONGEST} s")
        reason = bundle.too_short(round(length * bundle.sample_rate))
        if reason:
            raise UsageError(f"windows are {reason}")
        self.bundle, self.seconds, self.id, self.rule = bundle, length, id_, rule
        self.hop = length if hop is None else hop
        if not length / _MOST_OVERLAPPING <= self.hop <= length:
            raise UsageError(
                f"windows of {length:g} s every {self.hop:g} s; expected no more than their length, and no less than "
                f"a thousandth of it"
            )
        self.gaps = self.reconnects = 0
        self.left_over = 0.0
        self._alarm = Alarm(rule)
        self._cutter = _Cutter(self.seconds, self.hop)

    def score_stream(self, pieces: Iterable[StreamEvent]) -> Iterator[WindowResult | Gap | Waiting | Reconnected]:
        """Hear a stream to its end; whatever is no sound passes through."""
        for piece in pieces:
            if isinstance(piece, Sound):
                for begin, wave in self._cutter.cut(piece):
                    yield self._judge(begin, wave, piece.sample_rate)
                continue
            if isinstance(piece, Gap):
                self.gaps += 1
                self.left_over += self._cutter.drop()
            self.reconnects += isinstance(piece, Reconnected)
            yield piece
        self.left_over += self._cutter.drop()

    def _judge(self, begin: float, wave: Wave, sample_rate: int) -> WindowResult:
        verdict, reason = None, _nonsense(wave)
        try:
            verdict = None if reason else self.bundle.score(wave, sample_rate, self.id)
        except DataError as error:
            reason = error.message
        before = self._alarm.on
        now = self._alarm.update(None if verdict is None else verdict.anomalous)
        seconds = len(wave) / sample_rate
        notes = [SILENT] if verdict and audio.is_silent(wave) else []
        notes += differences(self.bundle.description, sample_rate, seconds) if verdict else []
        return WindowResult(begin, seconds, verdict, reason, now, now != before, tuple(notes))


def _nonsense(wave: Wave) -> str:
    """Why a window is no sound; empty where it may be one. Bytes of another format make such numbers."""
    highest = float(np.abs(wave).max(initial=0)) if wave.dtype != np.int16 else 0.0
    if highest < _LOUDEST:
        return ""
    what = f"samples up to {highest:.2g}" if np.isfinite(highest) else "NaN or infinite samples"
    return f"{what}, where full scale is 1; is it in the format that it is read as (--samples)?"


class _Cutter:
    """Holds the sound of the window that is not complete yet."""

    def __init__(self, seconds: float, hop: float) -> None:
        self._seconds, self._hop = seconds, hop
        self._held: Wave | None = None
        self._rate = 0
        self._fresh = 0  # samples held that no window has had
        self._begin = 0.0  # s heard before what is held

    def cut(self, sound: Sound) -> Iterator[tuple[float, Wave]]:
        """Take in a piece; give each window that is complete, and where it begins [s]."""
        held: Wave = sound.wave if self._held is None else np.concatenate([self._held, sound.wave])
        self._rate = rate = sound.sample_rate
        self._fresh += len(sound.wave)
        window, hop = round(self._seconds * rate), max(1, round(self._hop * rate))
        first = 0
        while first + window <= len(held):
            self._fresh = len(held) - first - window
            yield self._begin + first / rate, held[first : first + window]
            first += hop
        self._begin += first / rate
        self._held = held[first:].copy()

    def drop(self) -> float:
        """Forget what is held; the seconds of it that no window has had."""
        if self._held is None:
            return 0.0
        left = self._fresh / self._rate
        self._begin += len(self._held) / self._rate
        self._held, self._fresh = None, 0
        return left
