"""Ctrl-C and SIGTERM: the first signal asks the work to stop at the next batch, the second exits at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import _exit as exit_at_once  # `os._exit` itself is replaced while plugins are called
from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"  # a live display hides the cursor, and has no time to show it again

_ONE_SIGNAL_S = 0.1  # a signal to a process group may also be passed on by the process that waits for this one

_interrupted = False


@dataclass
class StopRequest:
    """Whether a signal asked for a stop.

    Attributes
    ----------
    signal
        Number of the first signal; 0 if none came.
    time
        When it came [s].
    """

    signal: int = 0
    time: float = 0.0

    @property
    def exit_code(self) -> int:
        """Exit code of a command that the signal stopped: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal

    def __bool__(self) -> bool:
        return bool(self.signal)


@contextmanager
def stop_on_signals(on_first: Callable[[], None] | None = None, farewell: str = "") -> Iterator[StopRequest]:
    """Turn the first Ctrl-C or SIGTERM into a stop request; exit at once on the second.

    Outside the main thread signals are left as they are. The handlers from before are restored at the end.

    Parameters
    ----------
    on_first
        Called on the first signal.
    farewell
        Written to standard error on the second.

    Yields
    ------
    request
        True once a signal came.
    """
    request = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        if request:
            if number == request.signal and time.monotonic() - request.time < _ONE_SIGNAL_S:
                return
            if farewell:
                stderr = sys.stderr.fileno()
                os.write(stderr, (_SHOW_CURSOR if os.isatty(stderr) else b"") + f"{farewell}\n".encode())
            exit_at_once(128 + number)
        request.signal, request.time = number, time.monotonic()
        if on_first is not None:
            on_first()

    handlers = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            handlers[number] = signal.signal(number, handle)
        except ValueError:  # not the main thread
            break
    try:
        yield request
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def recorded_interrupts() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt as usual, and record that it did for `is_of_user`."""
    global _interrupted

    def handle(_number: int, _frame: FrameType | None) -> None:
        global _interrupted
        _interrupted = True
        raise KeyboardInterrupt

    _interrupted = False
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_of_user() -> bool:
    """Whether a KeyboardInterrupt raised in this thread may come from Ctrl-C, not from code that raises it itself.

    Signals raise it in the main thread only, and not while other handlers are set, as those of `stop_on_signals`.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    return _interrupted or signal.getsignal(signal.SIGINT) is signal.default_int_handler
