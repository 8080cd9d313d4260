"""Validate values with a pydantic model and describe its errors in plain English."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from asdkit.option_files import FileLookup, lookup_context
from asdkit.spec.positions import KeyPath, quoted
from asdkit.text import suggestion, suggestion_or_choices

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
_CUSTOM = ("value_error", "assertion_error")  # raised by a model's own validator
_CHOICE = re.compile(r"'((?:[^'\\]|\\.)*)'")
_FEW_CHOICES = 6  # so many are listed even if one of them is suggested
_KINDS: dict[type, str] = {
    bool: "a truth value",
    int: "a whole number",
    float: "a decimal number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


class FieldFault(NamedTuple):
    """What is wrong with the key `path`.

    `missing`: the key is absent. `coerced`: pydantic accepted the value, but it has the wrong type.
    """

    path: KeyPath
    text: str
    missing: bool = False
    coerced: bool = False


def validate(
    model: type[Model], values: Mapping[str, Any], options: Sequence[str], files: FileLookup | None = None
) -> tuple[Model | None, list[FieldFault]]:
    """Construct a model from TOML values.

    The values are passed as JSON: there pydantic's strict mode accepts a list for a tuple, but no text for a number.

    Parameters
    ----------
    model
        The model to construct.
    values
        Tables, lists, texts, numbers and truth values.
    options
        All keys that the table may have, for suggestions.
    files
        Looks up options of type `FilePath`; None: there are none.

    Returns
    -------
    instance, faults
        The model's instance, or None if there are faults.
    """
    try:
        instance = model.model_validate_json(
            json.dumps(values, default=str), context=None if files is None else lookup_context(files)
        )
    except ValidationError as error:
        faults = list(_faults(error, model, values, options))
        wrong = {fault.path[0] for fault in faults if fault.path}
        rest = {key: value for key, value in values.items() if key not in wrong}
        if wrong and len(rest) < len(values):
            faults += (fault for fault in validate(model, rest, options, files)[1] if fault.coerced)
        return None, faults
    coerced = list(_coerced((), values, instance.model_dump(mode="json", by_alias=True)))
    return (None if coerced else instance), coerced


def option_names(model: type[BaseModel]) -> list[str]:
    """Return the keys that a table of this model may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


def leading_key(text: str, options: Sequence[str]) -> tuple[KeyPath, str]:
    """Split ``"order: what is wrong"`` into the option and the rest; if it names no option, the path is empty."""
    key, colon, rest = text.partition(": ")
    return ((key,), rest) if colon and key in options else ((), text)


def wrong_type(value: object, expected: str) -> str:
    """Return a message for a value of the wrong type: what it is and what was expected."""
    return f"{_shortened(value)} is {_KINDS.get(type(value), 'of another type')}; expected {expected}"


def _faults(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], options: Sequence[str]
) -> Iterator[FieldFault]:
    groups: dict[KeyPath, list[tuple[KeyPath, ErrorDetails]]] = {}
    for details in error.errors(include_url=False):
        path, union = _paths(details, values)
        groups.setdefault(union, []).append((path, details))
    for union, group in groups.items():
        closest = _closest(union, group)
        if len(closest) > 1 and all(path == union for path, _ in closest):
            yield FieldFault(union, _no_type_fits([details for _, details in closest]))
            continue
        for path, details in closest:
            yield _fault(path, details, model, options)


def _paths(details: ErrorDetails, values: Any) -> tuple[KeyPath, KeyPath]:
    """Return the path of the key at fault, and that of the key with a union type (the same if there is no union).

    Pydantic's location contains the types of a union as if they were keys; those are not in `values`.
    """
    path: KeyPath = ()
    union: KeyPath | None = None
    value = values
    last = len(details["loc"]) - 1
    for position, part in enumerate(details["loc"]):
        absent = not _has(value, part)
        if absent and not (details["type"] == "missing" and position == last):
            union = path if union is None else union
            continue
        value = None if absent else value[part]
        path = (*path, part)
    return path, path if union is None else union


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _closest(union: KeyPath, group: list[tuple[KeyPath, ErrorDetails]]) -> list[tuple[KeyPath, ErrorDetails]]:
    """Keep the errors of the type in a union that was probably meant: errors inside the value, or of its bounds."""
    deeper = [(path, details) for path, details in group if len(path) > len(union)]
    if deeper:
        return deeper
    right_type = [(path, details) for path, details in group if details["type"] in (*_BOUNDS, *_CUSTOM)]
    return right_type or group


def _fault(path: KeyPath, details: ErrorDetails, model: type[BaseModel], options: Sequence[str]) -> FieldFault:
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return FieldFault(path, _missing(path, model), missing=True)
    if kind == "extra_forbidden":
        inner = [name for nested in _nested_models(model, path) for name in option_names(nested)]
        known = options if len(path) == 1 else inner
        return FieldFault(path, f"unknown option{suggestion_or_choices(str(path[-1]), known)}")
    if kind in _CHOICES:
        choices = _CHOICE.findall(details["ctx"]["expected"])
        similar = suggestion(value, choices) if isinstance(value, str) else ""
        expected = "" if similar and len(choices) > _FEW_CHOICES else f"; expected {_expected(details)}"
        return FieldFault(path, f"{_shortened(value)} is not possible{expected}{similar}")
    if kind in _TYPES:
        return FieldFault(path, wrong_type(value, _expected(details)))
    if kind in _BOUNDS:
        return FieldFault(path, f"{_shortened(value)} is out of bounds; expected {_expected(details)}")
    if kind in _CUSTOM:
        text = details["msg"].partition(", ")[2] or "not possible"
        key, rest = ((), text) if path else leading_key(text, options)
        return FieldFault((*path, *key), rest)
    return FieldFault(path, f"{_shortened(value)}: {details['msg'][:1].lower()}{details['msg'][1:]}")


def _no_type_fits(errors: list[ErrorDetails]) -> str:
    """Return a message with what each type of a union expected."""
    value = errors[0]["input"]
    choices = [
        c for details in errors if details["type"] in _CHOICES for c in _CHOICE.findall(details["ctx"]["expected"])
    ]
    types = dict.fromkeys(_expected(details) for details in errors if details["type"] not in _CHOICES)
    *first, last = [*map(quoted, choices), *types]
    expected = f"{', '.join(first)} or {last}" if first else last
    similar = suggestion(value, choices) if isinstance(value, str) else ""
    return f"{_shortened(value)} is not possible; expected {expected}{similar}"


def _expected(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _CHOICES:
        return _CHOICE.sub(lambda match: quoted(match[1]), context["expected"])
    phrase = _TYPES.get(kind) or _BOUNDS.get(kind)
    return phrase.format(**{key: _number(value) for key, value in context.items()}) if phrase else details["msg"]


def _number(value: object) -> object:
    """Return 0 for 0.0: pydantic keeps the bounds of decimal numbers as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _missing(path: KeyPath, model: type[BaseModel]) -> str:
    models = [model] if len(path) == 1 else _nested_models(model, path)
    fields = [inner.model_fields[str(path[-1])] for inner in models if path[-1] in inner.model_fields]
    description = fields[0].description if fields else None
    return f"missing; expected {description}" if description else "missing"


def _nested_models(model: type[BaseModel], path: KeyPath) -> list[type[BaseModel]]:
    """Return the models that the option ``path[0]`` may hold."""
    field = model.model_fields.get(str(path[0]))
    return list(_models(field.annotation if field else None))


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _coerced(path: KeyPath, given: Any, parsed: Any) -> Iterator[FieldFault]:
    """Find truth values and decimal numbers that were accepted as whole numbers: in Python ``True == 1.0 == 1``."""
    if isinstance(given, Mapping) and isinstance(parsed, dict):
        for key in given.keys() & parsed.keys():
            yield from _coerced((*path, key), given[key], parsed[key])
    elif isinstance(given, list) and isinstance(parsed, list):
        for index, (one, other) in enumerate(zip(given, parsed, strict=False)):
            yield from _coerced((*path, index), one, other)
    elif (
        given == parsed
        and type(given) is not type(parsed)
        and (isinstance(given, bool | float) or isinstance(parsed, bool))
    ):
        yield FieldFault(path, wrong_type(given, _shortened(parsed)), coerced=True)


def _shortened(value: object) -> str:
    """Return a value as text on one line of limited length."""
    if isinstance(value, str):
        return quoted(value if len(value) <= 60 else value[:57] + "...")
    text = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, dict):
        return "this"
    return text if len(text) <= 60 and text.isprintable() else "this"
