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


class Command:
    """A command that runs until it is stopped."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asdkit", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.said: list[str] = []
        self.rows: list[dict] = []
        self._readers = [
            threading.Thread(
                target=self._read, args=(self.process.stdout, lambda line: self.rows.append(json.loads(line)))
            ),
            threading.Thread(target=self._read, args=(self.process.stderr, self.said.append)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, take) -> None:
        for line in stream:
            take(line.rstrip("\n"))

    def until(self, true) -> None:
        """Wait until `true` of this command returns a true value."""
        deadline = time.monotonic() + 60
        while not true(self):
            assert time.monotonic() < deadline, (self.rows, self.said)
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def says(self, text: str) -> None:
        """Wait for a text on standard error."""
        self.until(lambda c: any(text in line for line in c.said))

    def end(self, number: int | None = None) -> int:
        """Send a signal, if any, wait, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout=60)
        finally:
            self.process.kill()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        return code


Run = Callable[..., subprocess.CompletedProcess[str]]


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
