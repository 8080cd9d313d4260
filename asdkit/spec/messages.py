"""Faults that pydantic finds, in plain English."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from asdkit.spec.positions import KeyPath, shown
from asdkit.text import nearest, suggestion

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "dataclass_type": "a table",
    "union_tag_not_found": "a table with the key {discriminator}",
    "union_tag_invalid": "a table whose {discriminator} is one of {expected_tags}",
}
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "string_pattern_mismatch": "a text that matches {pattern}",
}
_CHOICES = ("literal_error", "enum")
_FEW_CHOICES = 6  # that a line still names beside a likely one
_OWN_WORDS = ("value_error", "assertion_error")
_CHOICE = re.compile(r"'((?:[^'\\]|\\.)*)'")


class PlainFault(NamedTuple):
    """What is wrong with the key `path`; whether it is just not there, or of a type that pydantic let pass."""

    path: KeyPath
    text: str
    missing: bool = False
    disguised: bool = False


def validate(
    model: type[Model], values: Mapping[str, Any], options: Sequence[str]
) -> tuple[Model | None, list[PlainFault]]:
    """Make a model of values as TOML gives them.

    They go through JSON: there pydantic's strict mode takes a list for a tuple, and still no text for a number.

    Parameters
    ----------
    model
        What to make.
    values
        Tables, lists, texts, numbers and truth values.
    options
        All keys that the table may have, to find the nearest right name in.

    Returns
    -------
    made, faults
        The model, or None where there are faults.
    """
    try:
        made = model.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        faults = list(_explain(error, model, values, options))
        wrong = {fault.path[0] for fault in faults if fault.path}
        rest = {key: value for key, value in values.items() if key not in wrong}
        if wrong and len(rest) < len(values):
            faults += (fault for fault in validate(model, rest, options)[1] if fault.disguised)
        return None, faults
    disguised = list(_disguised((), values, made.model_dump(mode="json", by_alias=True)))
    return (None if disguised else made), disguised


def option_names(model: type[BaseModel]) -> list[str]:
    """Keys that a table of this model may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


def leading_key(text: str, options: Sequence[str]) -> tuple[KeyPath, str]:
    """Split ``"order: what is wrong"`` into the option at fault and the rest, where it begins with an option."""
    key, colon, rest = text.partition(": ")
    return ((key,), rest) if colon and key in options else ((), text)


def is_a(value: object, expected: str) -> str:
    """Say of a value of the wrong type what it is and what was expected."""
    return f"{_value(value)} is {_kind(value)}; expected {expected}"


def _explain(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], options: Sequence[str]
) -> Iterator[PlainFault]:
    groups: dict[KeyPath, list[tuple[KeyPath, ErrorDetails]]] = {}
    for details in error.errors(include_url=False):
        path, branch = _walk(details, values)
        groups.setdefault(branch, []).append((path, details))
    for branch, group in groups.items():
        closest = _closest(branch, group)
        if len(closest) > 1 and all(path == branch for path, _ in closest):
            yield PlainFault(branch, _none_fits([details for _, details in closest]))
            continue
        for path, details in closest:
            yield from _one(path, details, model, options)


def _walk(details: ErrorDetails, values: Any) -> tuple[KeyPath, KeyPath]:
    """Find the key at fault, and the key whose value fits none of several types (the same, where there is one type).

    Pydantic's location names the types of a union as if they were keys; those are not in `values`.
    """
    path: KeyPath = ()
    branch: KeyPath | None = None
    here = values
    last = len(details["loc"]) - 1
    for position, part in enumerate(details["loc"]):
        absent = not _has(here, part)
        if absent and not (details["type"] == "missing" and position == last):
            branch = path if branch is None else branch
            continue
        here = None if absent else here[part]
        path = (*path, part)
    return path, path if branch is None else branch


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _closest(branch: KeyPath, group: list[tuple[KeyPath, ErrorDetails]]) -> list[tuple[KeyPath, ErrorDetails]]:
    """Of the faults of a union's types keep those of the type that was meant, as far as can be seen."""
    deeper = [(path, details) for path, details in group if len(path) > len(branch)]
    if deeper:
        return deeper
    right_type = [(path, details) for path, details in group if details["type"] in (*_BOUNDS, *_OWN_WORDS)]
    return right_type or group


def _one(path: KeyPath, details: ErrorDetails, model: type[BaseModel], options: Sequence[str]) -> Iterator[PlainFault]:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind == "missing":
        yield PlainFault(path, _missing(path, model), missing=True)
    elif kind == "extra_forbidden":
        inner = [name for below in _models_below(model, path) for name in option_names(below)]
        known = options if len(path) == 1 else inner
        yield PlainFault(path, f"unknown option{nearest(str(path[-1]), known)}")
    elif kind in _CHOICES:
        choices = _CHOICE.findall(context["expected"])
        near = suggestion(value, choices) if isinstance(value, str) else ""
        expected = "" if near and len(choices) > _FEW_CHOICES else f"; expected {_expected(details)}"
        yield PlainFault(path, f"{_value(value)} is not possible{expected}{near}")
    elif kind in _TYPES:
        yield PlainFault(path, is_a(value, _expected(details)))
    elif kind in _BOUNDS:
        yield PlainFault(path, f"{_value(value)} is out of bounds; expected {_expected(details)}")
    elif kind in _OWN_WORDS:
        text = details["msg"].partition(", ")[2] or "not possible"
        key, rest = ((), text) if path else leading_key(text, options)
        yield PlainFault((*path, *key), rest)
    else:
        yield PlainFault(path, f"{_value(value)}: {details['msg'][:1].lower()}{details['msg'][1:]}")


def _none_fits(several: list[ErrorDetails]) -> str:
    """Say what all types of a union expected."""
    value = several[0]["input"]
    choices = [c for d in several if d["type"] in _CHOICES for c in _CHOICE.findall(d["ctx"]["expected"])]
    others = dict.fromkeys(_expected(details) for details in several if details["type"] not in _CHOICES)
    *first, last = [*map(shown, choices), *others]
    expected = f"{', '.join(first)} or {last}" if first else last
    near = suggestion(value, choices) if isinstance(value, str) else ""
    return f"{_value(value)} is not possible; expected {expected}{near}"


def _expected(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _CHOICES:
        return _CHOICE.sub(lambda match: shown(match[1]), context["expected"])
    phrase = _TYPES.get(kind) or _BOUNDS.get(kind)
    return phrase.format(**{key: _number(value) for key, value in context.items()}) if phrase else details["msg"]


def _number(value: object) -> object:
    """0 for 0.0: pydantic keeps the bounds of decimals as decimals."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _missing(path: KeyPath, model: type[BaseModel]) -> str:
    models = [model] if len(path) == 1 else _models_below(model, path)
    fields = [inner.model_fields[str(path[-1])] for inner in models if path[-1] in inner.model_fields]
    description = fields[0].description if fields else None
    return f"missing; expected {description}" if description else "missing"


def _models_below(model: type[BaseModel], path: KeyPath) -> list[type[BaseModel]]:
    """Models that the option ``path[0]`` may hold."""
    field = model.model_fields.get(str(path[0]))
    return list(_models(field.annotation if field else None))


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _disguised(path: KeyPath, given: Any, made: Any) -> Iterator[PlainFault]:
    """Find truth values and decimals that were taken for whole numbers: in Python ``True == 1.0 == 1``."""
    if isinstance(given, Mapping) and isinstance(made, dict):
        for key in given.keys() & made.keys():
            yield from _disguised((*path, key), given[key], made[key])
    elif isinstance(given, list) and isinstance(made, list):
        for index, (one, other) in enumerate(zip(given, made, strict=False)):
            yield from _disguised((*path, index), one, other)
    elif (
        given == made and type(given) is not type(made) and (isinstance(given, bool | float) or isinstance(made, bool))
    ):
        yield PlainFault(path, is_a(given, _value(made)), disguised=True)


def _value(value: object) -> str:
    """Write a value on one line of bounded length."""
    if isinstance(value, str):
        return shown(value if len(value) <= 60 else value[:57] + "...")
    text = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, dict):
        return "this"
    return text if len(text) <= 60 and text.isprintable() else "this"


def _kind(value: object) -> str:
    kinds: dict[type, str] = {
        bool: "a truth value",
        int: "a whole number",
        float: "a decimal number",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "something else")
