"""The real ``asdkit`` command in a process of its own: one that runs to its end, and one that keeps running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]

_TIMEOUT = 60.0  # s


class Command:
    """A command that runs until it is stopped; killed at the end of the ``with`` block.

    Attributes
    ----------
    rows
        The JSON lines on standard output so far.
    messages
        The lines on standard error so far.
    """

    def __init__(self, *arguments: object, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asdkit", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.messages: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self._readers = [
            threading.Thread(target=self._read, args=arguments)
            for arguments in (
                (self.process.stdout, lambda line: self.rows.append(json.loads(line))),
                (self.process.stderr, self.messages.append),
            )
        ]

    def __enter__(self) -> Command:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()

    def wait_until(self, condition: Callable[[Command], object]) -> None:
        """Wait until ``condition(self)`` is true."""
        deadline = time.monotonic() + _TIMEOUT
        while not condition(self):
            assert time.monotonic() < deadline, (self.rows, self.messages)
            assert self.process.poll() is None, self.messages
            time.sleep(0.02)

    def wait_for_message(self, text: str) -> None:
        """Wait until a line on standard error has this text."""
        self.wait_until(lambda command: any(text in line for line in command.messages))

    def wait_for_rows(self, count: int) -> None:
        """Wait until standard output has this many rows."""
        self.wait_until(lambda command: len(command.rows) >= count)

    def stop(self, number: int) -> int:
        """Send a signal and wait; return the exit code, with all output read."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=_TIMEOUT)
        for reader in self._readers:
            reader.join()
        return code

    @staticmethod
    def _read(stream: Any, add: Callable[[str], object]) -> None:
        for line in stream:
            add(line.rstrip("\n"))


def command_in(folder: Path) -> Run:
    """Return a function that runs the real ``asdkit`` in `folder`, with the plugins in its ``site`` installed."""

    def command(*args: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
        return subprocess.run(
            [sys.executable, "-m", "asdkit", *map(str, args)],
            cwd=cwd or folder,
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return command
