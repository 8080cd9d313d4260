"""``asdkit check-plugin``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from asdkit.testing import CheckResult


def check_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What `use` calls the plugin.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option for the checks; may be given several times."),
    ] = None,
) -> None:
    """Check that an installed plugin keeps the contract of its kind, with recordings made for the purpose."""
    from asdkit.plugins import KINDS, discover
    from asdkit.testing import check_plugin as run_checks
    from asdkit.text import nearest

    registry = discover()
    kinds = [kind for kind in KINDS if any(p.name == name and p.kind in (kind, None) for p in registry.plugins)]
    if not kinds:
        raise UsageError(f"no plugin is called {name!r}{nearest(name, {p.name for p in registry.plugins})}")
    failed = 0
    for kind in kinds:
        results = run_checks(registry.entry(kind, name), options=_options(set_ or []))
        failed += _report(f"{kind} {name}", results)
    if failed:
        raise typer.Exit(int(ExitCode.PLUGIN))


def _options(sets: list[str]) -> dict[str, Any]:
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


def _report(title: str, results: list[CheckResult]) -> int:
    """Print the results, and count those that failed."""
    from asdkit.cli.console import print_table

    rows = [[r.status, r.check, r.message or r.about] for r in results]
    print_table(["", "check", ""], rows, title=title)
    counts = {s: sum(r.status == s for r in results) for s in ("passed", "failed", "skipped")}
    seconds = sum(r.seconds for r in results)
    typer.echo(f"{title}: {', '.join(f'{n} {s}' for s, n in counts.items())} in {seconds:.0f} s", err=True)
    return counts["failed"]
