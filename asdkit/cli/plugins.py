"""``asdkit plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.errors import UsageError
from asdkit.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asdkit.plugins import Plugin

_NOTED_S = 0.1  # a hook module that takes longer to import is noted


def plugins(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this plugin's options.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show who registered what, and what it cost.")] = False,
) -> None:
    """List the installed plugins, or show the options of one.

    The environment variable ASDKIT_PLUGINS=a,b loads the plugins of these distributions alone.
    """
    from asdkit.cli.console import print_table
    from asdkit.plugins import discover, restriction
    from asdkit.text import nearest

    found = discover().plugins
    chosen = [p for p in found if name is None or p.name == name]
    if not chosen:
        what = "no plugin is loaded" if name is None else f"no plugin is called {name!r}"
        raise UsageError(f"{what}{nearest(name or '', sorted({p.name for p in found}))}", hint=restriction())
    if trace:
        _trace(chosen)
    elif name is None:
        rows = [[p.kind or "?", p.name, p.status, f"{p.distribution} {p.version}", _remark(p)] for p in found]
        print_table(["kind", "name", "status", "from", ""], sorted(rows))
    else:
        for plugin in chosen:
            _show(plugin)


def _remark(plugin: Plugin) -> str:
    if plugin.cause:
        return plugin.cause
    if plugin.heavy:
        return f"imports {', '.join(plugin.heavy)} just to be listed ({plugin.seconds:.1f} s)"
    if plugin.seconds > _NOTED_S:
        return f"takes {plugin.seconds:.1f} s just to be listed"
    return printable(" ".join(plugin.entry.summary.split())) if plugin.entry else ""


def _trace(found: Sequence[Plugin]) -> None:
    """Each module that an entry point names, in the order of loading, with what its hooks gave."""
    from asdkit.cli.console import print_table

    rows = []
    for plugin in found:
        gave = f"{plugin.kind} {plugin.name}" if plugin.kind else "-"
        cost = f"{plugin.seconds * 1000:.0f} ms" + "".join(f" +{library}" for library in plugin.heavy)
        rows.append(
            [f"{plugin.distribution} {plugin.version}", plugin.module, cost, gave, plugin.status, _class(plugin)]
        )
    print_table(["from", "module", "import", "registered", "status", "class"], rows)


def _class(plugin: Plugin) -> str:
    if plugin.entry is None:
        return plugin.cause
    target = plugin.entry.target
    return target if isinstance(target, str) else f"{target.__module__}:{getattr(target, '__qualname__', target)}"


def _show(plugin: Plugin) -> None:
    from asdkit.cli.console import print_table
    from asdkit.cli.option_tables import HEADER, block, option_rows

    typer.echo(f"{plugin.name}: {plugin.kind or 'plugin'} of {plugin.distribution} {plugin.version}, {plugin.status}")
    typer.echo(_remark(plugin))
    if plugin.status != "ok" or plugin.entry is None or plugin.kind is None:
        return
    typer.echo(f"class {_class(plugin)}, plugin API {plugin.entry.api_version}")
    core = [[key, "", str(value), "read by the core: see docs/spec.md"] for key, value in plugin.entry.defaults.items()]
    try:
        rows, text = core + option_rows(plugin.entry.config), block(plugin.kind, plugin.entry)
    except Exception as error:  # whatever a stranger's options are
        cause = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        typer.echo(f"its options have no JSON Schema, so they cannot be shown: {printable(cause)}")
        return
    typer.echo("")
    if rows:
        print_table(HEADER, rows)
        typer.echo("")
    typer.echo("To paste into a spec:\n")
    typer.echo(text)
