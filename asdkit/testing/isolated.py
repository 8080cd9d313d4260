"""Run the checks of an installed plugin in a new process, so that a plugin that ends it or hangs is reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asdkit.errors import UsageError
from asdkit.plugins import Kind, discover
from asdkit.process_state import end_left_processes
from asdkit.testing.checks import checks_of
from asdkit.testing.conformance import CheckResult, make_subject, result_of

_COMMAND = "from asdkit.testing.isolated import run_request; run_request()"
_INTERVAL = 0.05  # seconds between two looks at the process


def check_in_process(
    kind: Kind, name: str, options: Mapping[str, Any], timeout: float, expected: Mapping[str, str]
) -> list[CheckResult]:
    """Check an installed plugin in a new process; see `asdkit.testing.check_plugin`.

    Parameters
    ----------
    kind, name, options
        The plugin and options for the checks.
    timeout
        Time limit of each check [s].
    expected
        Name of a check -> the reason why it fails.

    Returns
    -------
    results
        One for each check. A check that ends its process or takes too long has failed; those after it are skipped.

    Raises
    ------
    UsageError
        If the options are wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder, "answers")
        answers.touch()
        request = {"kind": kind, "name": name, "options": dict(options), "expected": dict(expected), "path": sys.path}
        Path(folder, "request").write_text(json.dumps(request, default=str))
        process = subprocess.Popen(  # noqa: S603 (this Python and our own command)
            [sys.executable, "-c", _COMMAND, folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            problem = _wait(process, answers, timeout)
        finally:
            process.kill()
            process.wait()
        lines = [json.loads(line) for line in answers.read_text().splitlines()]
    if lines and "usage" in lines[-1]:
        raise UsageError(lines[-1]["usage"])
    results = [CheckResult(**line) for line in lines if line]
    for check in checks_of(kind)[len(results) :]:
        status, problem = ("failed", problem) if problem else ("skipped", "")
        text = problem or "not run: an earlier check ended or stopped the process"
        results.append(CheckResult(check.name, status, check.about, text))  # type: ignore[arg-type]
        problem = ""
    return results


def _wait(process: subprocess.Popen[bytes], answers: Path, timeout: float) -> str:
    """Wait for the process; return why it ended before the last answer."""
    size, begin = -1, time.monotonic()
    while (code := process.poll()) is None:
        now, size_now = time.monotonic(), answers.stat().st_size
        if size_now != size:
            size, begin = size_now, now
        elif now - begin > timeout:
            return f"took more than {timeout:g} s (--timeout); does the plugin hang?"
        if answers.read_bytes().endswith(b"\n{}\n"):
            return ""  # all is said; a thread of the plugin may keep the process from ending
        time.sleep(_INTERVAL)
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the plugin ended the process ({ended})"


def run_request() -> None:
    """Run the checks of the request in the folder that the command line names: the new process."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request").read_text())
    sys.path[:] = request["path"]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command handles Ctrl-C; a KeyboardInterrupt is the plugin's
    process = os.getpid()
    with (folder / "answers").open("a") as file:

        def answer(values: Mapping[str, Any]) -> None:
            if os.getpid() != process:  # a child that the plugin forked returned from it
                os._exit(1)
            file.write(json.dumps(values) + "\n")
            file.flush()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the command has shown them
            entry = discover().entry(request["kind"], request["name"])
        try:
            subject = make_subject(entry, request["options"], request["kind"])
        except UsageError as error:
            answer({"usage": error.message})
            return
        for check in checks_of(subject.kind):
            answer(asdict(result_of(check, subject, request["expected"].get(check.name))))
        end_left_processes()
        answer({})
