"""Registering a plugin.

A plugin's options.

What a plugin gives, and what it leaves alone.

What a plugin leaves alone in the process that it works in.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from asdkit.spec.settings import PLUGIN_DEFAULT_KEYS, DetectorKeys
from asdkit.testing.checks.learning import elsewhere
from asdkit.testing.child_process import importable, register_elsewhere
from asdkit.testing.contract import Failed, Inapplicable, check
from asdkit.testing.subject import CountingContext, Subject, told
from asdkit.testing.subjects import AugmenterSubject


@check("detector", "featurizer", "augmenter", "fuser")
def registering_is_light(subject: Subject) -> None:
    """Importing the hook module and calling its hooks imports no torch, numba, cv2 or sklearn."""
    if not importable(subject.entry):
        raise Inapplicable("it is no module's: only an installed plugin is registered")
    try:
        found = elsewhere(subject)
    except (Failed, Inapplicable):  # it cannot be used; it may be registered all the same
        found = register_elsewhere(subject.module)
    if "register" in found.errors:
        raise Failed(f"importing {subject.module} failed: {found.errors['register']}")
    if found.heavy:
        raise Failed(
            f"importing {subject.module} imports {', '.join(found.heavy)} ({found.seconds:.1f} s), for every command "
            "of all who have it installed; name the class by a string, "
            'Entry(..., "package.module:Class"), and import in that module'
        )


_HUGE = 10**18
_NONSENSE: tuple[Any, ...] = ({"no such thing": [{}]}, [[{"no such thing": 1}]])


@check("detector", "featurizer", "augmenter", "fuser")
def defaults_construct(subject: Subject) -> None:
    """Every option has a default, and the class is made of the defaults, doing nothing but keep them."""
    if subject.construction:
        raise Failed(f"it cannot be made with its defaults: {subject.construction}")
    defaults = dict(subject.entry.defaults)
    unknown = defaults.keys() - set(PLUGIN_DEFAULT_KEYS)
    if unknown or (defaults and subject.kind != "detector"):
        raise Failed(
            f"its Entry has defaults of {', '.join(sorted(defaults))}; a detector may have those of "
            f"{', '.join(sorted(PLUGIN_DEFAULT_KEYS))}, other kinds none"
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


@check("detector", "featurizer", "augmenter", "fuser")
def keeps_its_contract(subject: Subject) -> None:
    """Used as a run uses it, it gives arrays of the shapes and dtypes promised, all finite."""
    if subject.construction:
        raise Inapplicable("it cannot be made: see defaults_construct")
    use = subject.first_use
    if use.error is not None:
        raise Failed(f"it raised {told(use.error)}") from use.error
    if fault := subject.fault(use.made):
        raise Failed(fault)


@check("detector", "featurizer", "augmenter", "fuser")
def inputs_are_unchanged(subject: Subject) -> None:
    """Arrays that it is given arrive read-only, and are afterwards what they were."""
    instance = subject.used().instance
    if isinstance(subject, AugmenterSubject) and instance.kind == "window":
        raise Inapplicable("a window augmenter may change its batch in place")
    try:
        subject.use(subject.make(), CountingContext(), read_only=True)
    except Failed:
        raise
    except Exception as error:
        raise Failed(f"it does not work on read-only arrays: {told(error)}") from error


@check("detector", "featurizer", "augmenter", "fuser")
def generators_and_threads_are_untouched(subject: Subject) -> None:
    """Global random generators and thread settings are afterwards what they were."""
    _, watch = subject.second_use
    if watch.touched:
        raise Failed(f"it changed {', '.join(watch.touched)}; use ctx.rng(name) and ctx.threads, and put back the rest")


@check("detector", "featurizer", "augmenter", "fuser")
def no_file_is_written(subject: Subject) -> None:
    """It writes, makes and removes no file: the core does all writing."""
    _, watch = subject.second_use
    if watch.files:
        raise Failed(f"it wrote {', '.join(dict.fromkeys(watch.files))}")


@check("detector", "featurizer", "augmenter", "fuser")
def nothing_is_printed(subject: Subject) -> None:
    """It prints nothing, to standard output or standard error."""
    _, watch = subject.second_use
    if watch.printed.strip():
        raise Failed(f"it printed {watch.printed.strip().splitlines()[0]!r}; use ctx.progress or AsdkitWarning")
