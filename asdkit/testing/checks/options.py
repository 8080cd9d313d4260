"""A plugin's options."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from asdkit.spec.settings import DetectorKeys
from asdkit.testing.listing import Failed, check
from asdkit.testing.subject import Subject, told

_DEFAULTS_OF_PLUGINS = {"frames", "hop", "pool", "scope"}
_HUGE = 10**18
_NONSENSE: tuple[Any, ...] = ({"no such thing": [{}]}, [[{"no such thing": 1}]])


@check("detector", "featurizer", "augmenter", "fuser")
def defaults_construct(subject: Subject) -> None:
    """Every option has a default, and the class is made of the defaults, doing nothing but keep them."""
    if subject.construction:
        raise Failed(f"it cannot be made with its defaults: {subject.construction}")
    defaults = dict(subject.entry.defaults)
    unknown = defaults.keys() - _DEFAULTS_OF_PLUGINS
    if unknown or (defaults and subject.kind != "detector"):
        raise Failed(
            f"its Entry has defaults of {', '.join(sorted(defaults))}; a detector may have those of "
            f"{', '.join(sorted(_DEFAULTS_OF_PLUGINS))}, other kinds none"
        )
    try:
        DetectorKeys.model_validate_json(json.dumps(defaults))
    except ValidationError as error:
        raise Failed(f"its Entry's defaults are wrong: {error.errors()[0]['msg']}") from None


@check("detector", "featurizer", "augmenter", "fuser")
def options_are_documented(subject: Subject) -> None:
    """Every option has a description, and the plugin a summary: `asdkit plugins` and the editor show them."""
    fields = subject.entry.config.model_fields
    bare = [name for name, field in fields.items() if not (field.description or "").strip()]
    if bare:
        raise Failed(f"no description of {', '.join(bare)}; expected Field(..., description=...) with unit and source")
    try:
        subject.entry.config.model_json_schema()
    except Exception as error:
        raise Failed(f"its options have no JSON Schema: {told(error)}") from error
    if not subject.entry.summary.strip():
        raise Failed("its Entry has no summary; expected one line for `asdkit plugins`")


@check("detector", "featurizer", "augmenter", "fuser")
def options_are_validated(subject: Subject) -> None:
    """Unknown options, wrong types and absurd numbers are refused; what is a default is accepted."""
    config = subject.entry.config
    if _accepts(subject, {"no_such_option": 1}):
        raise Failed("it accepts an option that it does not have; leave the config's extra at forbid")
    if not config.model_config.get("frozen") or not config.model_config.get("strict"):
        raise Failed("its config is not strict and frozen, as asdkit.api.Config is")
    for name in config.model_fields:
        if any(_accepts(subject, {name: value}) for value in _NONSENSE):
            raise Failed(f"{name} accepts anything; give it a type")
        if _accepts(subject, {name: -_HUGE}) and _accepts(subject, {name: _HUGE}):
            raise Failed(f"{name} accepts any number; give it bounds: Field(..., ge=, gt=, le=, lt=)")
    try:
        made = config()
        again = config.model_validate_json(made.model_dump_json())
    except ValidationError as error:
        if any(details["type"] == "missing" for details in error.errors()):
            return  # defaults_construct says so
        first = error.errors()[0]
        raise Failed(f"its own default of {'.'.join(map(str, first['loc']))} is refused: {first['msg']}") from None
    if again != made:
        raise Failed("its defaults, written as JSON and read again, are others")


def _accepts(subject: Subject, values: dict[str, Any]) -> bool:
    try:
        subject.entry.config.model_validate_json(json.dumps(values))
    except ValidationError as error:
        # Other options may be missing; what counts is whether this one was minded.
        return not any(details["loc"][:1] in ((), (next(iter(values)),)) for details in error.errors())
    return True
