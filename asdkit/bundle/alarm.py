"""From the verdicts of a stream's windows to an alarm: on at once when it matters, off only when it is quiet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from asdkit.errors import UsageError


@dataclass(frozen=True)
class AlarmRule:
    """When an alarm begins and ends.

    Attributes
    ----------
    needed, of
        It begins when `needed` of the last `of` windows are anomalous; windows before the last alarm's end do not
        count.
    quiet
        It ends after so many normal windows in a row: what hovers around the threshold does not switch it off and on
        (hysteresis).
    latch
        Whether it never ends by itself.
    """

    needed: int = 3
    of: int = 5
    quiet: int = 5
    latch: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.of:
            raise UsageError(f"an alarm at {self.needed} of {self.of} windows; expected at least 1, of no fewer")
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
        self._recent: deque[bool] = deque(maxlen=rule.of)
        self._quiet = 0

    def hear(self, anomalous: bool | None) -> bool:
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
