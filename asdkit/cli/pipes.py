"""Output into a pipe that nobody reads any more: work and exit code are as if somebody did."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def open_standard_streams() -> None:
    """Let nothing stand where a standard stream is closed (``asdkit ... >&-``): another file would get its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115 (for good)


class Unbroken:
    """A stream that falls silent, instead of failing, once its reader has left (``asdkit ... | head -1``)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.left = False  # whether the reader has; commands without an end ask

    def write(self, text: str) -> int:
        """Write, if anybody listens."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        """Flush, if anybody listens."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._silence()

    def _silence(self) -> None:
        self.left = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
