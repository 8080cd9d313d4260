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

_EXTENDS: Schema = {"type": "string", "description": "a table of the same kind whose keys are copied"}


def schema() -> None:
    """Print a JSON Schema of the spec with every installed plugin's options, for completion in editors.

    Write it to a file (asdkit schema > asdkit.schema.json) and name that in the spec's first line:
    #:schema ./asdkit.schema.json
    """
    from asdkit.plugins import discover

    typer.echo(json.dumps(_without_infinities(spec_schema(discover())), indent=2, ensure_ascii=False, allow_nan=False))


def spec_schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a spec that uses the usable plugins of a registry."""
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
    system = _object(SystemKeys, "systems", shared)
    system["properties"] |= {"extends": _EXTENDS, "fuser": {"anyOf": _variants(registry, "fuser", {}, shared)}}
    system["required"] = []
    data = _object(DataSettings, "data", shared)
    names = {"enum": registry.names("layout"), "description": "the layout of the data"}
    data["properties"]["layout"] = {"anyOf": [names, *_variants(registry, "layout", {}, shared)]}
    head = _object(HeadKeys, "head", shared)
    overridden = {"type": "object", "properties": {"detectors": _tables({"type": "object"})}}
    head["properties"] |= {
        "data": data,
        "compute": _object(ComputeSettings, "compute", shared),
        "calibration": _object(CalibrationSettings, "calibration", shared),
        "featurizers": _plugin_tables(registry, "featurizer", FeaturizerKeys, shared),
        "augmenters": _plugin_tables(registry, "augmenter", AugmenterKeys, shared),
        "detectors": _plugin_tables(registry, "detector", DetectorKeys, shared),
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


def _tables(inner: Schema) -> Schema:
    """Return the schema of tables with arbitrary names."""
    return {"type": "object", "additionalProperties": inner}


def _plugin_tables(registry: Registry, kind: Kind, core: type[BaseModel], shared: Schema) -> Schema:
    """Return the schema of ``[detectors]`` and the like: each table uses a plugin, or extends another table."""
    keys = {**_object(core, f"{kind}s", shared)["properties"], "extends": _EXTENDS}
    extended = {
        "title": "continues another table",
        "type": "object",
        "properties": {**keys, "use": False},
        "required": ["extends"],
    }
    return _tables({"anyOf": [*_variants(registry, kind, keys, shared), extended]})


def _variants(registry: Registry, kind: Kind, keys: Schema, shared: Schema) -> list[Schema]:
    """Return an object for each plugin of a kind: the keys of the core, and its own options."""
    return [_variant(registry.entry(kind, name), kind, keys, shared) for name in registry.names(kind)]


def _variant(entry: Entry, kind: Kind, keys: Schema, shared: Schema) -> Schema:
    use = {"const": entry.name, "description": entry.summary}
    try:
        own = _object(entry.config, f"{kind}-{entry.name}", shared)
    except Exception:  # a third-party config may have no schema; then any option is accepted
        own = {"type": "object", "properties": {}}
    defaults = {key: {**keys[key], "default": value} for key, value in entry.defaults.items() if key in keys}
    own["title"] = f"{kind} {entry.name}"
    own["properties"] = {"use": use, **keys, **defaults, **own["properties"]}
    own["required"] = ["use"]  # other required options may be inherited; `asdkit check` checks them
    return own


def _object(model: type[BaseModel], prefix: str, shared: Schema) -> Schema:
    """Return the schema of a model; nested models are added to `shared` under names that start with `prefix`."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    shared.update({f"{prefix}.{name}": inner for name, inner in schema.pop("$defs", {}).items()})
    schema.setdefault("properties", {})
    return schema


def _without_infinities(value: Any) -> Any:
    """Remove defaults and bounds that JSON cannot express: infinities and NaN."""
    if isinstance(value, dict):
        return {key: _without_infinities(inner) for key, inner in value.items() if not _is_non_finite(inner)}
    if isinstance(value, list):
        return [_without_infinities(inner) for inner in value if not _is_non_finite(inner)]
    return value


def _is_non_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
