"""Ctrl-C and SIGTERM while a run goes: the first is a wish, the second an order."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_AT_ONCE = b"stopped at once; finished jobs are kept\n"
_SHOW_CURSOR = b"\x1b[?25h"  # a live display hides it, and has no time left to put it back


@contextmanager
def interruptible(stop_file: Path, tell: Callable[[], None]) -> Iterator[list[int]]:
    """Turn the first Ctrl-C or SIGTERM into a wish to stop, which jobs obey; the second ends at once.

    Parameters
    ----------
    stop_file
        Made when the run is asked to stop; jobs look for it.
    tell
        Called then.

    Yields
    ------
    received
        Numbers of the signals that came.
    """
    stop_file.unlink(missing_ok=True)
    received: list[int] = []

    def handle(number: int, _frame: Any) -> None:
        received.append(number)
        if len(received) > 1:
            error = sys.stderr.fileno()
            os.write(error, (_SHOW_CURSOR if os.isatty(error) else b"") + _AT_ONCE)
            os._exit(128 + number)
        stop_file.touch()
        tell()

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            before[number] = signal.signal(number, handle)
        except ValueError:  # not the main thread: its owner answers signals
            break
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop_file.unlink(missing_ok=True)
