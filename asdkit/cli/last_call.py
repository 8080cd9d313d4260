"""Report the call of a plugin in which the command's process ended without a message: abort, segmentation fault, kill.

The process itself cannot say so. A small second process reads the name of each call from a pipe and prints the last one
if the pipe is closed during a call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from asdkit.plugin_calls import announced_calls

if TYPE_CHECKING:
    import subprocess

_REPORTER = r"""
import os, select, sys
parent, last = os.getppid(), b""
while True:
    if select.select([0], [], [], 1)[0]:
        part = os.read(0, 1 << 16)
        if b"\0" in part:
            sys.exit()
        if not part:
            break
        last = (last + part)[-(1 << 12):]
    elif os.getppid() != parent:  # a process that a plugin forked keeps the pipe open
        break
call = last.split(b"\n")[-2:-1]
if any(call):
    text = b"error: asdkit was killed, or ended by the plugin, during %s; finished work is kept\n" % call[0]
    sys.stderr.buffer.write(text)
"""


@contextmanager
def reported_last_call() -> Iterator[None]:
    """Report the call of a plugin that is at work when this process ends in the body."""
    reporter: subprocess.Popen[bytes] | None = None
    process = os.getpid()

    def send(call: str) -> None:
        nonlocal reporter
        if os.getpid() != process:  # a forked process: this one reports its end
            return
        if reporter is None:
            if not call:
                return
            import subprocess

            reporter = subprocess.Popen(  # noqa: S603 (this Python and our own text)
                [sys.executable, "-I", "-S", "-c", _REPORTER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C on the terminal does not reach it
                bufsize=0,
            )
        assert reporter.stdin is not None  # a pipe
        with suppress(OSError):
            reporter.stdin.write(f"{call}\n".encode(errors="backslashreplace"))

    try:
        with announced_calls(send):
            yield
    finally:
        if reporter is not None:
            with suppress(OSError):
                reporter.communicate(b"\0")
