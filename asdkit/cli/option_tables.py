"""A plugin's options as a person reads them: rows of a table, and a block to paste into a spec."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.config import Config
    from asdkit.interfaces import Entry
    from asdkit.plugins import Kind


HEADER = ("option", "type", "default", "meaning, unit, source")

_WORDS = {"integer": "int", "number": "float", "string": "text", "boolean": "true | false", "null": "nothing"}
_BOUNDS = {
    "minimum": ">= ",
    "exclusiveMinimum": "> ",
    "maximum": "<= ",
    "exclusiveMaximum": "< ",
    "pattern": "like ",
}
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def option_rows(config: type[Config]) -> list[list[str]]:
    """One row of `HEADER` for each option."""
    schema = config.model_json_schema()
    known = schema.get("$defs", {})
    return [
        [name, _type(about, known), _default(about), printable(" ".join(about.get("description", "").split()))]
        for name, about in schema.get("properties", {}).items()
    ]


def block(kind: Kind, entry: Entry) -> str:
    """Text of a spec that uses a plugin with all its defaults; options without a default are commented out."""
    values = {**entry.defaults, **_defaults(entry.config)}
    if kind == "fuser":
        given = {key: value for key, value in {"use": entry.name, **values}.items() if _is_toml(value)}
        return f"[systems.fused]\nmembers = [...]\nfuser = {toml(given)}\n"
    lines = [f"[{kind}s.{entry.name}]", f"use = {toml(entry.name)}"]
    for name in [*entry.defaults, *(n for n in entry.config.model_fields if n not in entry.defaults)]:
        value = values.get(name)
        lines.append(f"{name} = {toml(value)}" if _is_toml(value) else f"# {name} =")
    return "\n".join(lines) + "\n"


def _defaults(config: type[Config]) -> dict[str, Any]:
    """Defaults as JSON has them; those of required options are not there."""
    return {
        name: about["default"]
        for name, about in config.model_json_schema().get("properties", {}).items()
        if "default" in about
    }


def _is_toml(value: Any) -> bool:
    """Whether TOML has such a value: it has none for nothing."""
    if isinstance(value, dict):
        return all(map(_is_toml, value.values()))
    return all(map(_is_toml, value)) if isinstance(value, list | tuple) else value is not None


def toml(value: Any) -> str:
    """A value as TOML writes it inline."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # inf, -inf, nan; JSON writes what TOML does not read
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _type(about: dict[str, Any], known: dict[str, Any]) -> str:
    if "$ref" in about:
        return _type(known.get(about["$ref"].rpartition("/")[2], {}), known)
    if "anyOf" in about:
        return " | ".join(dict.fromkeys(_type(choice, known) for choice in about["anyOf"]))
    if "enum" in about:
        return " | ".join(json.dumps(value) for value in about["enum"])
    if "const" in about:
        return json.dumps(about["const"])
    bounds = ", ".join(sign + f"{about[key]}" for key, sign in _BOUNDS.items() if key in about)
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}), known)}"
    word = _WORDS.get(about.get("type", ""), "table" if about else "anything")
    return f"{word} {bounds}" if bounds else word


def _default(about: dict[str, Any]) -> str:
    if "default" not in about:
        return "needed"
    return "none" if about["default"] is None else toml(about["default"])
