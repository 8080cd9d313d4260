"""``asdkit check-plugin``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdkit.cli.console import message, print_table
from asdkit.errors import ExitCode, UsageError
from asdkit.text import suggestion_or_choices

if TYPE_CHECKING:
    from asdkit.plugins import Kind
    from asdkit.testing import CheckResult


def check_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the plugin, as in `use`.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the plugin; may be given several times."),
    ] = None,
    expect_failure: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-failure",
            metavar="CHECK=REASON",
            help="A check that the plugin fails for a good reason; if it passes, that is a failure. "
            "May be given several times.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Time limit of each check.")
    ] = 600,
    built: Annotated[
        Path | None,
        typer.Option(
            "--built",
            metavar="FOLDER",
            help="Build the wheel of the package in FOLDER, install it into a new environment, and check it there.",
        ),
    ] = None,
) -> None:
    """Check an installed plugin against the contract of its kind, on synthetic recordings, in a process of its own.

    A check that ends the process or takes longer than the time limit has failed. The exit code is 4 if a check failed.
    """
    options, expected = _parse_options(set_ or []), _parse_expected(expect_failure or [])
    if built is not None:
        _check_built(built, name, set_ or [], expect_failure or [], timeout)
        return
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
    for kind in kinds:
        registry.find(kind, name)  # raises where it is broken
    reasons = _expected_by_kind(kinds, expected)
    results = {kind: check_in_process(kind, name, options, timeout, reasons[kind]) for kind in kinds}
    failed = sum(_print_results(f"{kind} {name}", checks) for kind, checks in results.items())
    if failed:
        raise typer.Exit(int(ExitCode.PLUGIN))


def _check_built(source: Path, name: str, sets: list[str], expected: list[str], timeout: float) -> None:
    from asdkit.testing.built import installed_wheel, run_asdkit

    arguments = ["check-plugin", name, f"--timeout={timeout}"]
    arguments += [f"--set={text}" for text in sets] + [f"--expect-failure={text}" for text in expected]
    with installed_wheel(source) as python:
        message(f"the wheel of {source} is installed in a new environment; checks there:")
        code = run_asdkit(python, arguments)
    if code:
        raise typer.Exit(code)


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


def _parse_expected(texts: list[str]) -> dict[str, str]:
    expected = {}
    for text in texts:
        check, _, reason = text.partition("=")
        if not reason.strip():
            raise UsageError(
                f"--expect-failure {text}: expected CHECK=REASON, such as "
                "'faults_score_higher=it finds rattling only, and the planted fault is tonal'"
            )
        expected[check.strip()] = reason.strip()
    return expected


def _expected_by_kind(kinds: list[Kind], expected: Mapping[str, str]) -> dict[Kind, dict[str, str]]:
    """Return the expected failures of each kind; a name may belong to plugins of several kinds."""
    from asdkit.testing.checks import checks_of

    names = {kind: [check.name for check in checks_of(kind)] for kind in kinds}
    known = sorted({check for checks in names.values() for check in checks})
    for check in expected:
        if check not in known:
            raise UsageError(
                f"--expect-failure: no check of a {' or '.join(kinds)} is called {check!r}"
                f"{suggestion_or_choices(check, known)}"
            )
    return {kind: {check: why for check, why in expected.items() if check in names[kind]} for kind in kinds}


def _print_results(title: str, results: list[CheckResult]) -> int:
    """Print failures, then expected ones, then what passed, and a line for what was skipped; return the failures."""
    of = {status: [r for r in results if r.status == status] for status in ("failed", "expected", "passed", "skipped")}
    rows = [
        [r.status, r.check, r.clips, f"{r.message or r.about}{f' [{r.where}]' if r.where else ''}"]
        for status in ("failed", "expected", "passed")
        for r in of[status]
    ]
    print_table(["", "check", "clips it used", ""], rows, title=title)
    reasons = dict.fromkeys(r.message for r in of["skipped"])
    for reason in reasons:
        names = [r.check for r in of["skipped"] if r.message == reason]
        typer.echo(f"skipped {len(names)}: {reason} ({', '.join(names)})")
    counts = ", ".join(f"{len(of[status])} {status}" for status in of if of[status] or status != "expected")
    message(f"{title}: {counts} in {sum(r.seconds for r in results):.0f} s")
    return len(of["failed"])
