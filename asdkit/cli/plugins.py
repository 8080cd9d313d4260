"""``asdkit plugins``, and tables and TOML blocks of a plugin's options."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdkit.cli.console import DASH, print_table
from asdkit.errors import UsageError
from asdkit.text import error_line, printable, suggestion_or_choices
from asdkit.version import API_VERSION

if TYPE_CHECKING:
    from asdkit.config import Config
    from asdkit.interfaces import Entry
    from asdkit.plugins import Kind, Plugin

HEADER = ("option", "type", "default", "meaning, unit, source")

_SLOW_IMPORT_S = 0.1
_TYPES = {"integer": "int", "number": "float", "string": "text", "boolean": "true | false", "null": "nothing"}
_BOUNDS = {
    "minimum": ">= ",
    "exclusiveMinimum": "> ",
    "maximum": "<= ",
    "exclusiveMaximum": "< ",
    "pattern": "like ",
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def plugins(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show the options of this plugin.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show the module, import time and class of plugins.")] = False,
) -> None:
    """List the installed plugins, or show the options of one.

    The environment variable ASDKIT_PLUGINS=a,b loads only the plugins of these distributions.
    """
    from asdkit.plugins import discover, restriction

    every = discover().plugins
    chosen = [p for p in every if name is None or p.name == name]
    if not chosen:
        what = "no plugin is loaded" if name is None else f"no plugin is called {name!r}"
        choices = suggestion_or_choices(name or "", sorted({p.name for p in every}))
        raise UsageError(f"{what}{choices}", hint=restriction())
    if trace:
        _print_trace(chosen)
    elif name is None:
        rows = [[p.kind or "?", p.name, p.status, f"{p.distribution} {p.version}", _remark(p)] for p in every]
        print_table(["kind", "name", "status", "from", ""], sorted(rows))
    else:
        for plugin in chosen:
            _print_options(plugin)


def option_rows(config: type[Config]) -> list[list[str]]:
    """Return a row of `HEADER` for each option."""
    schema = config.model_json_schema()
    definitions = schema.get("$defs", {})
    return [
        [name, _type(field, definitions), _default(field), printable(" ".join(field.get("description", "").split()))]
        for name, field in schema.get("properties", {}).items()
    ]


def spec_block(kind: Kind, entry: Entry) -> str:
    """Return the table of a spec that uses a plugin with all its defaults; options without one are commented out."""
    values = {**entry.defaults, **_defaults(entry.config)}
    if kind == "fuser":
        options = {key: value for key, value in {"use": entry.name, **values}.items() if _fits_toml(value)}
        return f"[systems.fused]\nmembers = [...]\nfuser = {to_toml(options)}\n"
    if kind == "layout":
        options = {key: value for key, value in values.items() if _fits_toml(value)}
        layout = to_toml({"use": entry.name, **options} if options else entry.name)
        return f'[data]\nlayout = {layout}\nroot = "..."\n'
    lines = [f"[{kind}s.{entry.name}]", f"use = {to_toml(entry.name)}"]
    for name in [*entry.defaults, *(n for n in entry.config.model_fields if n not in entry.defaults)]:
        value = values.get(name)
        lines.append(f"{name} = {to_toml(value)}" if _fits_toml(value) else f"# {name} =")
    return "\n".join(lines) + "\n"


def to_toml(value: Any) -> str:
    """Format a value as inline TOML."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # inf, -inf, nan; JSON writes other words
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {to_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(to_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _print_options(plugin: Plugin) -> None:
    typer.echo(f"{plugin.name}: {plugin.kind or 'plugin'} of {plugin.distribution} {plugin.version}, {plugin.status}")
    typer.echo(_remark(plugin))
    typer.echo(f"registered by {plugin.module}, {_file_of(plugin.module)}")
    if plugin.command is not None:
        typer.echo(
            f"command {_class(plugin)}, plugin API {plugin.command.api_version}; see: asdkit {plugin.name} --help"
        )
    if plugin.status != "ok" or plugin.entry is None or plugin.kind is None or plugin.kind == "command":
        return
    class_ = _class(plugin)
    typer.echo(f"class {class_}, {_file_of(class_.partition(':')[0])}; plugin API {plugin.entry.api_version}")
    core = [[key, "", str(value), "read by the core: see docs/spec.md"] for key, value in plugin.entry.defaults.items()]
    try:
        rows, block = core + option_rows(plugin.entry.config), spec_block(plugin.kind, plugin.entry)
    except Exception as error:  # the options of a third-party plugin may have any type
        typer.echo(f"its options have no JSON Schema, so they cannot be shown: {error_line(error)}")
        return
    typer.echo("")
    if rows:
        print_table(HEADER, rows)
        typer.echo("")
    typer.echo("To paste into a spec:\n")
    typer.echo(block)


def _print_trace(every: Sequence[Plugin]) -> None:
    """Print the module of each entry point in the order of loading, its import time and the plugins it registered."""
    rows = []
    for plugin in every:
        registered = f"{plugin.kind} {plugin.name}" if plugin.kind else DASH
        cost = f"{plugin.seconds * 1000:.0f} ms" + "".join(f" +{library}" for library in plugin.heavy)
        distribution = f"{plugin.distribution} {plugin.version}"
        rows.append([distribution, plugin.module, cost, registered, plugin.status, _class(plugin)])
    print_table(["from", "module", "import", "registered", "status", "class"], rows)


def _remark(plugin: Plugin) -> str:
    if plugin.cause:
        return plugin.cause
    if plugin.heavy:
        return f"imports {', '.join(plugin.heavy)} just to be listed ({plugin.seconds:.1f} s)"
    if plugin.seconds > _SLOW_IMPORT_S:
        return f"takes {plugin.seconds:.1f} s just to be listed"
    listed = plugin.entry or plugin.command
    if listed is None:
        return ""
    old = f" (plugin API {listed.api_version})" if plugin.entry and listed.api_version < API_VERSION else ""
    return printable(" ".join(listed.summary.split())) + old


def _class(plugin: Plugin) -> str:
    listed = plugin.entry or plugin.command
    if listed is None:
        return plugin.cause
    target = listed.target
    return target if isinstance(target, str) else f"{target.__module__}:{getattr(target, '__qualname__', target)}"


def _file_of(module: str) -> str:
    """Return the path of a module's source, without importing the module."""
    name = module.partition(":")[0]  # an entry point may name an object in the module
    if name in sys.modules:
        return printable(getattr(sys.modules[name], "__file__", None) or "in no file")
    try:
        spec = find_spec(name)
    except (ImportError, ValueError) as error:
        return f"which cannot be found: {error_line(error)}"
    return printable(spec.origin or "in no file") if spec else "which cannot be found"


def _defaults(config: type[Config]) -> dict[str, Any]:
    """Return defaults as JSON values; required options are left out."""
    return {
        name: field["default"]
        for name, field in config.model_json_schema().get("properties", {}).items()
        if "default" in field
    }


def _fits_toml(value: Any) -> bool:
    """Return whether TOML can hold a value: it has no null."""
    if isinstance(value, dict):
        return all(map(_fits_toml, value.values()))
    return all(map(_fits_toml, value)) if isinstance(value, list | tuple) else value is not None


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in field:
        return _type(definitions.get(field["$ref"].rpartition("/")[2], {}), definitions)
    if "anyOf" in field:
        return " | ".join(dict.fromkeys(_type(choice, definitions) for choice in field["anyOf"]))
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    if "const" in field:
        return json.dumps(field["const"])
    bounds = ", ".join(sign + f"{field[key]}" for key, sign in _BOUNDS.items() if key in field)
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    type_ = _TYPES.get(field.get("type", ""), "table" if field else "anything")
    return f"{type_} {bounds}" if bounds else type_


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "needed"
    return "none" if field["default"] is None else to_toml(field["default"])
