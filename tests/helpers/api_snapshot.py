"""Signatures of everything in ``asdkit.api``; ``python -m tests.helpers.api_snapshot`` writes the file."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from pathlib import Path

from pydantic import BaseModel

from asdkit import api, hookspecs

FILE = Path(__file__).parents[1] / "api_snapshot.txt"


def drift() -> list[str]:
    """Lines of the file that no longer hold (``- ``), and lines that it lacks (``+ ``).

    Quotes are ignored: annotations have them where the module postpones their evaluation.
    """
    stored = {line.replace("'", ""): line for line in FILE.read_text(encoding="utf-8").splitlines()}
    current = {line.replace("'", ""): line for line in lines()}
    removed = [f"- {line}" for key, line in stored.items() if key not in current]
    return removed + [f"+ {line}" for key, line in current.items() if key not in stored]


def lines() -> list[str]:
    """One line for each name, method and field."""
    signatures = [f"API_VERSION = {api.API_VERSION}"]
    for name in sorted(set(api.__all__) - {"API_VERSION"}):
        signatures += _name_lines(name, getattr(api, name))
    for name, hook in sorted(vars(hookspecs).items()):
        if name.startswith("asdkit_"):
            signatures.append(f"hook {name}{inspect.signature(hook)}")
    return signatures


def _name_lines(name: str, value: object) -> list[str]:
    if inspect.isclass(value):
        return [f"class {name}({', '.join(base.__name__ for base in value.__bases__)})", *_member_lines(name, value)]
    if callable(value) and not isinstance(value, types.GenericAlias | types.UnionType) and not typing.get_origin(value):
        return [f"{name}{_signature(value)}"]
    return [f"{name} = {value}"]


def _member_lines(name: str, cls: type) -> list[str]:
    members = []
    if issubclass(cls, BaseModel):
        for key, about in cls.__pydantic_fields__.items():
            members.append(f"{name}.{key}: {cls.__annotations__.get(key, 'inherited')} = {about.default!r}")
    elif dataclasses.is_dataclass(cls):
        members += [f"{name}.{f.name}: {f.type}" for f in dataclasses.fields(cls) if not f.name.startswith("_")]
    elif getattr(cls, "_is_protocol", False):
        members += [f"{name}.{key}: {kind}" for key, kind in cls.__annotations__.items()]
    for key, member in sorted(vars(cls).items()):
        if key == "__init__" and not dataclasses.is_dataclass(cls) and not getattr(cls, "_is_protocol", False):
            members.append(f"{name}.__init__{_signature(member)}")
        elif key.startswith("_") or key == "model_config":
            continue
        elif isinstance(member, property):
            members.append(f"{name}.{key} -> {member.fget.__annotations__.get('return') if member.fget else None}")
        elif isinstance(member, classmethod | staticmethod):
            members.append(f"{name}.{key}{_signature(member.__func__)}")
        elif inspect.isfunction(member):
            members.append(f"{name}.{key}{_signature(member)}")
    return members


def _signature(value: object) -> str:
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
