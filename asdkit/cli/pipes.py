"""Output into a pipe that nobody reads any more: work and exit code are as if somebody did."""

from __future__ import annotations

import os
from typing import Any, TextIO


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
