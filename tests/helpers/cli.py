"""``asdkit`` inside the test process: fast, for tests that need no signal, pipe, closed stream or new interpreter."""

from __future__ import annotations

import importlib
import logging
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import numpy as np

from tests.helpers.commands import Run


def cli_in(folder: Path) -> Run:
    """Return a function that runs ``python -m asdkit`` in `folder`, with the plugins in its ``site`` installed.

    The function takes what `tests.helpers.commands.command_in` takes, and ``stdin``. File descriptors 0, 1 and 2 are
    temporary files during the call, so output of child processes is captured too. All process state that commands
    change is restored: see `_process_state`.
    """

    def run(
        *args: object, cwd: Path | None = None, stdin: str | bytes = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        arguments = ["asdkit", *map(str, args)]
        path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
        environment = {"PYTHONPATH": path, **env}
        with _standard_streams(stdin) as files:
            with _process_state(arguments, cwd or folder, environment):
                code = _exit_code()
            out, err = map(_text, files)
        return subprocess.CompletedProcess(arguments, code, out, err)

    return run


def _exit_code() -> int:
    try:
        runpy.run_module("asdkit", run_name="__main__", alter_sys=True)
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
def _process_state(arguments: list[str], cwd: Path, env: dict[str, str]) -> Iterator[None]:
    """Set arguments, folder, environment, module path and warnings as in a new process; restore all afterwards.

    Restored too: signal handlers, loggers, generators of random numbers, PyTorch's threads and modules imported from
    the added folders. Worker processes of joblib end, as they do with the process that started them. No process is
    forked: this one has threads.
    """
    with ExitStack() as stack:
        stack.enter_context(patch("asdkit.cli.forks_allowed", nullcontext))
        for part in (_logging(), _signals(), _random_numbers(), _torch(), _environment(env), _folder(cwd)):
            stack.enter_context(part)
        stack.enter_context(_imports(arguments, [str(cwd), *env["PYTHONPATH"].split(os.pathsep)]))
        stack.enter_context(_warnings())
        stack.callback(_end_workers)
        yield


@contextmanager
def _standard_streams(stdin: str | bytes) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Put temporary files in place of standard input, output and error; yield those of output and error."""
    real = sys.__stdout__
    encoding, errors = (real.encoding, real.errors) if real is not None else ("utf-8", "strict")
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin.encode() if isinstance(stdin, str) else stdin)
        files[0].seek(0)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, file in enumerate(files):
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            os.dup2(file.fileno(), number)
        before = sys.stdin, sys.stdout, sys.stderr
        try:
            with (
                open(0, encoding="utf-8", closefd=False) as sys.stdin,
                open(1, "w", encoding=encoding, errors=errors, closefd=False) as sys.stdout,
                open(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False) as sys.stderr,
            ):
                yield files[1], files[2]
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def _text(file: IO[bytes]) -> str:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


@contextmanager
def _environment(env: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _folder(cwd: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(cwd)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _imports(arguments: list[str], folders: list[str]) -> Iterator[None]:
    """Import plugins from `folders`, and none that was imported from elsewhere; forget them afterwards.

    No byte code is written: a source edited twice in a second could be loaded from it as it was before the edit.
    """
    argv, path, write_nothing, modules = sys.argv, list(sys.path), sys.dont_write_bytecode, dict(sys.modules)
    added = [folder for folder in folders if folder not in path]
    names = {entry.split(".")[0] for folder in added if os.path.isdir(folder) for entry in os.listdir(folder)}
    for name in modules:
        if name.split(".")[0] in names:
            del sys.modules[name]
    sys.argv, sys.dont_write_bytecode = arguments, True
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.dont_write_bytecode = argv, path, write_nothing
        for name in set(sys.modules) - set(modules):
            if any(_is_from(sys.modules[name], folder) for folder in added):
                del sys.modules[name]
        for name, module in modules.items():
            if name.split(".")[0] in names:
                sys.modules[name] = module
        for folder in added:
            sys.path_importer_cache.pop(folder, None)
        importlib.invalidate_caches()


def _is_from(module: object, folder: str) -> bool:
    names = getattr(
        module, "__dict__", {}
    )  # not getattr of each name: some modules answer it with objects of their own
    paths = [names.get("__file__"), *names.get("__path__", ())]
    return any(path and Path(path).is_relative_to(folder) for path in paths)


@contextmanager
def _warnings() -> Iterator[None]:
    """Filter warnings as a new process does, not as pytest does."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (ResourceWarning, ImportWarning, PendingDeprecationWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
        yield


@contextmanager
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _logging() -> Iterator[None]:
    """Restore levels and handlers of known loggers; remove handlers of new ones, whose streams are closed by then."""
    before = {logger: (logger.level, logger.handlers[:], logger.propagate, logger.disabled) for logger in _loggers()}
    try:
        yield
    finally:
        for logger in _loggers():
            if logger in before:
                logger.level, logger.handlers[:], logger.propagate, logger.disabled = before[logger]
                logger.setLevel(logger.level)  # forgets which levels were enabled
            else:
                logger.handlers[:] = [h for h in logger.handlers if not isinstance(h, logging.StreamHandler)]


def _loggers() -> list[logging.Logger]:
    known = logging.Logger.manager.loggerDict.values()
    return [logging.getLogger(), *(logger for logger in known if isinstance(logger, logging.Logger))]


@contextmanager
def _random_numbers() -> Iterator[None]:
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (the global generator is what is restored)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


@contextmanager
def _torch() -> Iterator[None]:
    before: tuple[Any, ...] | None = None
    if "torch" in sys.modules:
        import torch

        before = torch.get_num_threads(), torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        if before is not None:
            torch.set_num_threads(before[0])
            torch.set_rng_state(before[1])
            torch.use_deterministic_algorithms(before[2])


def _end_workers() -> None:
    reusable = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = getattr(reusable, "_executor", None)
    if executor is not None:
        executor.shutdown(wait=True, kill_workers=True)
