"""The signatures of all that ``asdkit.api`` exports; ``python -m tests.helpers.api_snapshot`` writes them anew."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from pathlib import Path

from pydantic import BaseModel

from asdkit import api, hookspecs

FILE = Path(__file__).parents[1] / "api_snapshot.txt"


def lines() -> list[str]:
    """One line for each name, method and field."""
    found = [f"API_VERSION = {api.API_VERSION}"]
    for name in sorted(set(api.__all__) - {"API_VERSION"}):
        found += _of(name, getattr(api, name))
    for name, hook in sorted(vars(hookspecs).items()):
        if name.startswith("asdkit_"):
            found.append(f"hook {name}{inspect.signature(hook)}")
    return found


def _of(name: str, value: object) -> list[str]:
    if inspect.isclass(value):
        return [f"class {name}({', '.join(base.__name__ for base in value.__bases__)})", *_members(name, value)]
    if callable(value) and not isinstance(value, types.GenericAlias | types.UnionType) and not typing.get_origin(value):
        return [f"{name}{_signature(value)}"]
    return [f"{name} = {value}"]


def _members(name: str, cls: type) -> list[str]:
    found = []
    if issubclass(cls, BaseModel):
        for key, about in cls.__pydantic_fields__.items():
            found.append(f"{name}.{key}: {cls.__annotations__.get(key, 'inherited')} = {about.default!r}")
    elif dataclasses.is_dataclass(cls):
        found += [f"{name}.{field.name}: {field.type}" for field in dataclasses.fields(cls)]
    elif getattr(cls, "_is_protocol", False):
        found += [f"{name}.{key}: {kind}" for key, kind in cls.__annotations__.items()]
    for key, member in sorted(vars(cls).items()):
        if key == "__init__" and not dataclasses.is_dataclass(cls) and not getattr(cls, "_is_protocol", False):
            found.append(f"{name}.__init__{_signature(member)}")
        elif key.startswith("_") or key == "model_config":
            continue
        elif isinstance(member, property):
            found.append(f"{name}.{key} -> {member.fget.__annotations__.get('return') if member.fget else None}")
        elif isinstance(member, classmethod | staticmethod):
            found.append(f"{name}.{key}{_signature(member.__func__)}")
        elif inspect.isfunction(member):
            found.append(f"{name}.{key}{_signature(member)}")
    return found


def _signature(value: object) -> str:
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
