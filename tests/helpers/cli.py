"""The command line inside the test process: quick, for tests that need neither signals, pipes nor a new interpreter."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.commands import Run


def cli_in(folder: Path) -> Run:
    """Return a function that runs ``asdkit`` in `folder`, with the plugins in its ``site`` installed.

    It takes what `tests.helpers.commands.command_in` takes, and ``stdin``; standard streams are files of their own,
    and folder, environment, warnings, imported plugins and the plugins' path are afterwards as before.
    """

    def run(*args: object, cwd: Path | None = None, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        from asdkit.cli import main

        arguments = ["asdkit", *map(str, args)]
        with _process_state(arguments, cwd or folder, folder / "site", env), _streams(stdin) as (out, err):
            code = _exit_code(main)
        return subprocess.CompletedProcess(arguments, code, _text(out), _text(err))

    return run


def _exit_code(main: object) -> int:
    try:
        main()  # type: ignore[operator]
    except SystemExit as stop:
        if isinstance(stop.code, str):
            sys.stderr.write(f"{stop.code}\n")
            return 1
        return int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def _process_state(arguments: list[str], cwd: Path, site: Path, env: dict[str, str]) -> Iterator[None]:
    """Arguments, folder, environment, path and warnings as a new process would have them; restored afterwards."""
    before = (sys.argv, os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules))
    sys.argv = arguments
    os.chdir(cwd)
    os.environ.update(env)
    if site.is_dir():
        sys.path.insert(0, str(site))
        importlib.invalidate_caches()
    try:
        with warnings.catch_warnings():
            warnings.resetwarnings()
            yield
    finally:
        sys.argv, folder, environment, sys.path[:], modules = before
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(site):
                del sys.modules[name]


@contextmanager
def _streams(stdin: str) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Standard streams over memory, encoded as a new process encodes them."""
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = io.BytesIO(), io.BytesIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True)
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _text(stream: io.BytesIO) -> str:
    return stream.getvalue().decode("utf-8", "replace")
