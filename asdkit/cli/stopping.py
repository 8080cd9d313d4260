"""Ctrl-C and SIGTERM while a command goes on until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import typer


class Stopping:
    """Turns the first Ctrl-C or SIGTERM into a wish, which the command obeys; the second ends at once."""

    def __init__(self) -> None:
        self._received = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def asked(self) -> bool:
        """Whether to stop: a signal came, or nobody reads the rows any more."""
        return bool(self._received) or bool(getattr(sys.stdout, "left", False))

    def leave(self) -> None:
        """End with the exit code of the signal that came, if one did: 130, or 143 for SIGTERM."""
        if self._received:
            raise typer.Exit(128 + self._received)

    def _handle(self, number: int, _frame: Any) -> None:
        if self._received:
            os._exit(128 + number)
        self._received = number
