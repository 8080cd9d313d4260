"""The command line: one file a command, nothing but talking to a person.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
import sys
import warnings
from typing import NoReturn, TextIO, cast

import typer

from asdkit.cli import (
    check,
    check_plugin,
    compare,
    data,
    demo,
    download,
    evaluate,
    export,
    init,
    listen,
    merge,
    new_plugin,
    plugins,
    report,
    run,
    schema,
    score,
    watch,
)
from asdkit.cli.console import PipeSafeStream, open_standard_streams
from asdkit.errors import AsdkitError, ExitCode
from asdkit.text import printable
from asdkit.version import __version__

# What a system says where a person asked it to write what cannot be written there.
_REFUSED = (
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
    help="Anomalous sound detection: learn from recordings of healthy machines, score new ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"asdkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Anomalous sound detection: learn from recordings of healthy machines, score new ones."""


app.command()(init.init)
app.command()(run.run)
app.command()(merge.merge)
app.command()(export.export)
app.command()(score.score)
app.command()(watch.watch)
app.command()(listen.listen)
app.command()(report.report)
app.command()(compare.compare)
app.command()(check.check)
app.command()(plugins.plugins)
app.command()(new_plugin.new_plugin)
app.command()(check_plugin.check_plugin)
app.command()(schema.schema)
app.command()(demo.demo)
app.command()(data.data)
app.command()(download.download)
app.command()(evaluate.evaluate)


def main() -> None:
    """Run the command line; every foreseen error ends in its exit code and a plain message."""
    warnings.showwarning = _warn
    open_standard_streams()
    sys.stdout, sys.stderr = cast("TextIO", PipeSafeStream(sys.stdout)), cast("TextIO", PipeSafeStream(sys.stderr))
    try:
        app()
    except AsdkitError as error:
        _complain(error)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))
    except OSError as error:
        if error.errno not in _REFUSED:
            _report_bug()
        where = f" {printable(str(error.filename))}" if error.filename else ""
        sys.stderr.write(f"error: cannot write{where}: {error.strerror}; what was finished is kept\n")
        sys.exit(int(ExitCode.PARTIAL))
    except Exception:
        _report_bug()


def _report_bug() -> NoReturn:
    import traceback

    traceback.print_exc()
    sys.stderr.write("This is a bug of asdkit; please report it with the lines above.\n")
    sys.exit(int(ExitCode.BUG))


def _warn(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Tell a warning as plainly as an error."""
    sys.stderr.write("".join(f"{printable(line)}\n" for line in f"warning: {message}".split("\n")))


def _complain(error: AsdkitError) -> None:
    text = f"error: {error.message}" + (f"\n{error.hint}" if error.hint else "")
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))
