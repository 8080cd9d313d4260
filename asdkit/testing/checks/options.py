"""Checks of a plugin's registration and options."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from asdkit.option_files import FilePath, lookup_context, stored_options
from asdkit.spec.settings import PLUGIN_DEFAULT_KEYS, DetectorKeys
from asdkit.testing.checks.learning import subprocess_result
from asdkit.testing.child_process import importable, register_in_subprocess
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.subject import CountingContext, Subject, difference
from asdkit.text import error_line

_HUGE = 10**18
_NONSENSE: tuple[Any, ...] = ({"no such thing": [{}]}, [[{"no such thing": 1}]])


def registering_is_light(subject: Subject) -> None:
    """Importing the hook module and calling its hooks imports no torch, numba, cv2 or sklearn."""
    if not importable(subject.entry):
        raise Inapplicable("it is not in a module: only an installed plugin is registered")
    try:
        result = subprocess_result(subject)
    except (Failed, Inapplicable):  # it cannot be used, but perhaps registered
        result = register_in_subprocess(subject.module)
    if "register" in result.errors:
        raise Failed(f"importing {subject.module} failed: {result.errors['register']}")
    if result.heavy:
        raise Failed(
            f"importing {subject.module} imports {', '.join(result.heavy)} ({result.seconds:.1f} s), for every command "
            "of everyone who has it installed; name the class by a string, "
            'Entry(..., "package.module:Class"), and import in that module'
        )


def defaults_construct(subject: Subject) -> None:
    """Every option but a file has a default, and the class is constructed from them and only stores them."""
    if (error := subject.construction_error) is not None:
        raise Failed(f"it cannot be constructed with its defaults: {error_line(error)}") from error
    defaults = dict(subject.entry.defaults)
    unknown = defaults.keys() - PLUGIN_DEFAULT_KEYS
    if unknown or (defaults and subject.kind != "detector"):
        raise Failed(
            f"its Entry has defaults of {', '.join(sorted(defaults))}; a detector may have those of "
            f"{', '.join(sorted(PLUGIN_DEFAULT_KEYS))}, other kinds none"
        )
    try:
        DetectorKeys.model_validate_json(json.dumps(defaults))
    except ValidationError as wrong:
        raise Failed(f"its Entry's defaults are wrong: {wrong.errors()[0]['msg']}") from None


def options_are_documented(subject: Subject) -> None:
    """Every option has a description, and the plugin a summary: `asdkit plugins` and the editor show them."""
    fields = subject.entry.config.model_fields
    bare = [name for name, field in fields.items() if not (field.description or "").strip()]
    if bare:
        raise Failed(f"no description of {', '.join(bare)}; expected Field(..., description=...) with unit and source")
    try:
        subject.entry.config.model_json_schema()
    except Exception as error:
        raise Failed(f"its options have no JSON Schema: {error_line(error)}") from error
    if not subject.entry.summary.strip():
        raise Failed("its Entry has no summary; expected one line for `asdkit plugins`")


def options_are_validated(subject: Subject) -> None:
    """Unknown options, wrong types and absurd numbers are refused; the defaults are accepted."""
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
        defaults = config()
        reloaded = config.model_validate_json(defaults.model_dump_json())
    except ValidationError as error:
        if any(details["type"] == "missing" for details in error.errors()):
            return  # defaults_construct reports it
        first = error.errors()[0]
        raise Failed(f"its own default of {'.'.join(map(str, first['loc']))} is refused: {first['msg']}") from None
    if reloaded != defaults:
        raise Failed("its defaults change when written as JSON and read again")


def files_are_read_by_their_options(subject: Subject) -> None:
    """The file of an option is read by `FilePath.read`, never by its path: a bundle holds the content alone."""
    files = stored_options([subject.config])
    if not files:
        raise Inapplicable("none of its options names a file")
    expected = subject.working_use().outputs
    moved = {file.name: FilePath(f"no such folder/{file.name}", file.sha256, file.size, file.read()) for file in files}
    text, context = subject.config.model_dump_json(), lookup_context(moved.__getitem__)
    advice = "; call read() of the option, and open no path"
    try:
        outputs = subject.use(
            subject.plugin_class(subject.config.model_validate_json(text, context=context)), CountingContext()
        )
    except Exception as error:
        raise Failed(f"it fails where the file is in a bundle: {error_line(error)}{advice}") from error
    if differs := difference(expected, outputs):
        raise Failed(f"where the file is in a bundle, {differs}{advice}")


def _accepts(subject: Subject, values: dict[str, Any]) -> bool:
    """Whether the config accepts the first of these options; other options may be missing."""
    try:
        subject.entry.config.model_validate_json(json.dumps(values))
    except ValidationError as error:
        return not any(details["loc"][:1] in ((), (next(iter(values)),)) for details in error.errors())
    return True
