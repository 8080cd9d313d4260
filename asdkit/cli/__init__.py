"""Command line: one file for each command, which parses arguments and prints.

Commands import the rest of asdkit when they run, so that ``--help`` is fast.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import warnings
from contextlib import suppress
from typing import NoReturn, TextIO, cast

import typer

from asdkit.cli import (
    adapt,
    check,
    check_plugin,
    compare,
    data,
    evaluate,
    explain,
    export,
    init,
    merge,
    new_plugin,
    plugins,
    report,
    run,
    schema,
    score,
    watch,
)
from asdkit.cli.commands import Command, Group, PluginCommand
from asdkit.cli.console import PipeSafeStream, open_standard_streams
from asdkit.cli.last_call import reported_last_call
from asdkit.errors import AsdkitError, ExitCode
from asdkit.plugin_calls import os_exit_raises
from asdkit.process_state import end_left_processes, left_threads
from asdkit.stop_signals import recorded_interrupts
from asdkit.text import printable
from asdkit.version import __version__
from asdkit.worker_process import forks_allowed

# Errors of the operating system when the output cannot be written.
_WRITE_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
)

app = typer.Typer(
    name="asdkit",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"asdkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Anomalous sound detection: train on recordings of healthy machines, score new ones."""


for _function in (
    init.init,
    run.run,
    merge.merge,
    export.export,
    score.score,
    explain.explain,
    adapt.adapt,
    watch.watch,
    report.report,
    compare.compare,
    check.check,
    plugins.plugins,
    new_plugin.new_plugin,
    check_plugin.check_plugin,
    schema.schema,
    data.data,
    evaluate.evaluate,
):
    app.command(cls=Command)(_function)


def main() -> None:
    """Run the command line; expected errors print a message and set their exit code."""
    warnings.showwarning = _show_warning
    open_standard_streams()
    sys.stdout, sys.stderr = cast("TextIO", PipeSafeStream(sys.stdout)), cast("TextIO", PipeSafeStream(sys.stderr))
    try:
        with recorded_interrupts(), os_exit_raises(), reported_last_call(), forks_allowed():
            _run_command()
    finally:
        end_left_processes()
        if left_threads():
            _exit_without_threads()


def _run_command() -> None:
    """Run the command that the arguments name; ends by SystemExit."""
    PluginCommand.running = None
    try:
        app()
    except AsdkitError as error:
        _print_lines("error", error.message, error.hint)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))
    except OSError as error:
        if error.errno not in _WRITE_ERRORS:
            _report_bug()
        path = f" {printable(str(error.filename))}" if error.filename else ""
        sys.stderr.write(f"error: cannot write{path}: {error.strerror}; finished work is kept\n")
        sys.exit(int(ExitCode.PARTIAL))
    except Exception:
        _report_bug()


def _exit_without_threads() -> NoReturn:
    """Exit as the interpreter does, without waiting for threads that plugins left running."""
    stop = sys.exception()
    code = (stop.code or 0) if isinstance(stop, SystemExit) else ExitCode.BUG
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(int(code))


def _report_bug() -> NoReturn:
    import traceback

    traceback.print_exc()
    plugin = PluginCommand.running
    if plugin is not None and plugin.distribution != "asdkit":
        sys.stderr.write(f"This is a bug in {plugin.title}; please report it to its authors with the lines above.\n")
        sys.exit(int(ExitCode.PLUGIN))
    sys.stderr.write("This is a bug in asdkit; please report it with the lines above.\n")
    sys.exit(int(ExitCode.BUG))


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    _print_lines("warning", str(message))


def _print_lines(kind: str, message: str, hint: str = "") -> None:
    """Print an error or a warning on standard error; unprintable characters are escaped line by line."""
    text = f"{kind}: {message}" + (f"\n{hint}" if hint else "")
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))
