"""``asdkit schema``."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from asdkit.interfaces import Entry
    from asdkit.plugins import Kind, Registry

Schema = dict[str, Any]


def schema() -> None:
    """Print a JSON Schema of the spec with every installed plugin's options, for completion in editors.

    Write it to a file (asdkit schema > asdkit.schema.json) and name that in the spec's first line:
    #:schema ./asdkit.schema.json
    """
    from asdkit.plugins import discover

    typer.echo(json.dumps(_finite(spec_schema(discover())), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """A schema without the defaults and bounds that JSON has no word for: infinities and NaN."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items() if not _is_endless(inner)}
    return [_finite(inner) for inner in value if not _is_endless(inner)] if isinstance(value, list) else value


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def spec_schema(registry: Registry) -> Schema:
    """JSON Schema (draft 2020-12) of a spec that uses the good plugins of a registry."""
    from asdkit.spec.settings import (
        AugmenterKeys,
        CalibrationSettings,
        ComputeSettings,
        DataSettings,
        DetectorKeys,
        FeaturizerKeys,
        HeadKeys,
        SystemKeys,
    )

    shared: Schema = {}
    detectors = _named(registry, "detector", DetectorKeys, shared)
    system = _object(SystemKeys, "systems", shared)
    system["properties"] |= {"extends": _EXTENDS, "fuser": {"anyOf": _variants(registry, "fuser", {}, shared)}}
    system["required"] = []
    head = _object(HeadKeys, "head", shared)
    overridden = {"type": "object", "properties": {"detectors": _tables({"type": "object"})}}
    head["properties"] |= {
        "data": _object(DataSettings, "data", shared),
        "compute": _object(ComputeSettings, "compute", shared),
        "calibration": _object(CalibrationSettings, "calibration", shared),
        "featurizers": _named(registry, "featurizer", FeaturizerKeys, shared),
        "augmenters": _named(registry, "augmenter", AugmenterKeys, shared),
        "detectors": detectors,
        "systems": _tables(system),
        "machines": _tables(overridden),
    }
    head["required"] = ["asdkit", "data", "detectors"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "asdkit spec",
        **head,
        "$defs": shared,
    }


_EXTENDS: Schema = {"type": "string", "description": "a sibling whose keys are copied"}


def _tables(inner: Schema) -> Schema:
    """Tables that a person names."""
    return {"type": "object", "additionalProperties": inner}


def _named(registry: Registry, kind: Kind, core: type[BaseModel], shared: Schema) -> Schema:
    """``[detectors]`` and its like: each table uses a plugin, or extends a sibling."""
    keys = {**_object(core, f"{kind}s", shared)["properties"], "extends": _EXTENDS}
    continued = {
        "title": "continues another table",
        "type": "object",
        "properties": {**keys, "use": False},
        "required": ["extends"],
    }
    return _tables({"anyOf": [*_variants(registry, kind, keys, shared), continued]})


def _variants(registry: Registry, kind: Kind, keys: Schema, shared: Schema) -> list[Schema]:
    """One object for each plugin of a kind: the core's keys and its own options."""
    return [_variant(registry.entry(kind, name), kind, keys, shared) for name in registry.names(kind)]


def _variant(entry: Entry, kind: Kind, keys: Schema, shared: Schema) -> Schema:
    use = {"const": entry.name, "description": entry.summary}
    try:
        own = _object(entry.config, f"{kind}-{entry.name}", shared)
    except Exception:  # a stranger's config that has no schema: any option may be written
        own = {"type": "object", "properties": {}}
    defaults = {key: {**keys[key], "default": value} for key, value in entry.defaults.items() if key in keys}
    own["title"] = f"{kind} {entry.name}"
    own["properties"] = {"use": use, **keys, **defaults, **own["properties"]}
    own["required"] = ["use"]  # what else is needed may be inherited; `asdkit check` knows
    return own


def _object(model: type[BaseModel], prefix: str, shared: Schema) -> Schema:
    """Schema of a model; models inside it go to `shared`, under names of their own."""
    made = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    shared.update({f"{prefix}.{name}": inner for name, inner in made.pop("$defs", {}).items()})
    made.setdefault("properties", {})
    return made
