"""``asdkit plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdkit.errors import UsageError

if TYPE_CHECKING:
    from asdkit.plugins import Plugin


def plugins(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this plugin's options.")] = None,
) -> None:
    """List the installed plugins, or show the options of one."""
    from asdkit.cli.tables import print_table
    from asdkit.naming import nearest
    from asdkit.plugins import discover

    found = discover().plugins
    if name is None:
        rows = [[p.kind or "?", p.name, p.status, f"{p.distribution} {p.version}", _remark(p)] for p in found]
        print_table(["kind", "name", "status", "from", ""], sorted(rows))
        return
    chosen = [p for p in found if p.name == name]
    if not chosen:
        raise UsageError(f"no plugin is called {name!r}{nearest(name, {p.name for p in found})}")
    for plugin in chosen:
        _show(plugin)


def _remark(plugin: Plugin) -> str:
    if plugin.status != "ok":
        return plugin.cause
    if plugin.heavy:
        return f"imports {', '.join(plugin.heavy)} just to be listed ({plugin.seconds:.1f} s)"
    return plugin.entry.summary if plugin.entry else ""


def _show(plugin: Plugin) -> None:
    from asdkit.cli.tables import print_table

    typer.echo(f"{plugin.name}: {plugin.kind or 'plugin'} of {plugin.distribution} {plugin.version}, {plugin.status}")
    typer.echo(_remark(plugin))
    if plugin.entry is None:
        return
    schema = plugin.entry.config.model_json_schema()
    rows = [
        [option, _type(about), _default(about), about.get("description", "")]
        for option, about in schema.get("properties", {}).items()
    ]
    core = [[key, "", str(value), "read by the core"] for key, value in plugin.entry.defaults.items()]
    if rows or core:
        typer.echo("")
        print_table(["option", "type", "default", ""], core + rows)


def _type(about: dict[str, Any]) -> str:
    if "anyOf" in about:
        return " | ".join(_type(choice) for choice in about["anyOf"])
    if "enum" in about:
        return " | ".join(repr(value) for value in about["enum"])
    if "const" in about:
        return repr(about["const"])
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}))}"
    return {"integer": "int", "number": "float", "string": "text", "boolean": "true | false"}.get(
        about.get("type", ""), str(about.get("type", "table"))
    )


def _default(about: dict[str, Any]) -> str:
    if "default" not in about:
        return "required"
    return "none" if about["default"] is None else str(about["default"])
