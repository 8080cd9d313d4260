"""``asdkit check-plugin``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdkit.cli.console import message, print_table
from asdkit.errors import ExitCode, UsageError
from asdkit.text import suggestion_or_choices

if TYPE_CHECKING:
    from asdkit.testing import CheckResult


def check_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the plugin, as in `use`.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the plugin; may be given several times."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Time limit of each check.")
    ] = 600,
) -> None:
    """Check an installed plugin against the contract of its kind, on synthetic recordings, in a process of its own.

    A check that ends the process or takes longer than the time limit has failed. The exit code is 4 if a check failed.
    """
    from asdkit.plugins import KINDS, discover
    from asdkit.testing.isolated import check_in_process

    registry = discover()
    kinds = [kind for kind in KINDS if any(p.name == name and p.kind in (kind, None) for p in registry.plugins)]
    if not kinds and any(p.name == name for p in registry.plugins):
        raise UsageError(f"{name!r} is a command: there are no checks of commands", hint=f"Try: asdkit {name} --help")
    if not kinds:
        raise UsageError(
            f"no plugin is called {name!r}{suggestion_or_choices(name, {p.name for p in registry.plugins})}"
        )
    options = _parse_options(set_ or [])
    for kind in kinds:
        registry.find(kind, name)  # raises where it is broken
    results = {kind: check_in_process(kind, name, options, timeout) for kind in kinds}
    failed = sum(_print_results(f"{kind} {name}", checks) for kind, checks in results.items())
    if failed:
        raise typer.Exit(int(ExitCode.PLUGIN))


def _parse_options(sets: list[str]) -> dict[str, Any]:
    options = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: expected OPTION=VALUE, such as epochs=2")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


def _print_results(title: str, results: list[CheckResult]) -> int:
    """Print the results; return the number of failed checks."""
    print_table(["", "check", ""], [[r.status, r.check, r.message or r.about] for r in results], title=title)
    counts = {s: sum(r.status == s for r in results) for s in ("passed", "failed", "skipped")}
    seconds = sum(r.seconds for r in results)
    message(f"{title}: {', '.join(f'{n} {s}' for s, n in counts.items())} in {seconds:.0f} s")
    return counts["failed"]
