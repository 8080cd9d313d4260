"""ONNX graphs as records: a strict reader of the protobuf wire format.

It knows the fields that a graph for scoring needs and no other. A field that it does not know is an error: external
data, nested graphs, functions, training info and metadata have no place in one. So is a field that is there twice,
or a number in more bytes than it needs, because two readers of such bytes may not agree about their meaning.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

DTYPES: Final[Mapping[int, type[np.generic]]] = {
    1: np.float32,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    11: np.float64,
}
"""NumPy's types of those element types of ONNX that a graph may have."""
QUANTISED: Final[Mapping[int, type[np.generic]]] = {2: np.uint8, 3: np.int8}
"""Types that `QuantizeLinear` gives and `DequantizeLinear` takes."""

_MAX_DIMS = 8
_MAX_FIELDS = 100_000  # each takes some 100 bytes here, however few it has in the file
_MAX_TEXT = 4096  # bytes of a name
_VARINT_BYTES = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_SIGN, _RANGE = 1 << 63, 1 << 64

Kind = Literal["int", "float", "text", "bytes", "empty", "refused"]


@dataclass(frozen=True)
class _Field:
    """Name of a field and what it holds: a plain value, or a message of another table; `empty` is an empty text."""

    name: str
    kind: Kind | Mapping[int, _Field]
    many: bool = False


def _refused(**names: int) -> dict[int, _Field]:
    """Fields that are only known to be named in the message; any other unknown field is refused as well."""
    return {number: _Field(name, "refused") for name, number in names.items()}


_NOTE = _Field("doc_string", "empty")
_OPSET: Final = {1: _Field("domain", "text"), 2: _Field("version", "int")}
_TENSOR: Final = {
    1: _Field("dims", "int", many=True),
    2: _Field("data_type", "int"),
    8: _Field("name", "text"),
    9: _Field("raw_data", "bytes"),
    12: _NOTE,
    **_refused(external_data=13, data_location=14),
}
_ATTRIBUTE: Final = {
    1: _Field("name", "text"),
    2: _Field("f", "float"),
    3: _Field("i", "int"),
    4: _Field("s", "bytes"),
    8: _Field("ints", "int", many=True),
    13: _NOTE,
    20: _Field("type", "int"),
    **_refused(graph=6, graphs=11),
}
_NODE: Final = {
    1: _Field("input", "text", many=True),
    2: _Field("output", "text", many=True),
    3: _Field("name", "text"),
    4: _Field("op_type", "text"),
    5: _Field("attribute", _ATTRIBUTE, many=True),
    6: _NOTE,
    7: _Field("domain", "empty"),
    8: _Field("overload", "empty"),
}
_DIMENSION: Final = {1: _Field("dim_value", "int"), 2: _Field("dim_param", "text")}
_SHAPE: Final = {1: _Field("dim", _DIMENSION, many=True)}
_TENSOR_TYPE: Final = {1: _Field("elem_type", "int"), 2: _Field("shape", _SHAPE)}
_VALUE: Final = {1: _Field("name", "text"), 2: _Field("type", {1: _Field("tensor_type", _TENSOR_TYPE)}), 3: _NOTE}
_GRAPH: Final = {
    1: _Field("node", _NODE, many=True),
    2: _Field("name", "text"),
    5: _Field("initializer", _TENSOR, many=True),
    10: _NOTE,
    11: _Field("input", _VALUE, many=True),
    12: _Field("output", _VALUE, many=True),
    13: _Field("value_info", _VALUE, many=True),
    **_refused(sparse_initializer=15, metadata_props=16),
}
_MODEL: Final = {
    1: _Field("ir_version", "int"),
    2: _Field("producer_name", "text"),
    3: _Field("producer_version", "text"),
    4: _Field("domain", "empty"),
    5: _Field("model_version", "int"),
    6: _NOTE,
    7: _Field("graph", _GRAPH),
    8: _Field("opset_import", _OPSET, many=True),
    **_refused(metadata_props=14, training_info=20, functions=25),
}
_ATTRIBUTE_TYPES: Final = {1: "f", 2: "i", 3: "s", 7: "ints"}


@dataclass(frozen=True)
class Node:
    """One operation: its inputs and outputs by name, an input without a name is left out."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, float | bytes | tuple[int, ...]]


@dataclass(frozen=True)
class Value:
    """Type of a value; a dimension without a fixed size is None."""

    name: str
    dtype: type[np.generic]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """All of a model that matters to scoring.

    Attributes
    ----------
    constants
        Values that are part of the file, by name.
    declared
        Types of values between input and output, as the file states them.
    """

    ir_version: int
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, npt.NDArray[Any]]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    declared: tuple[Value, ...]


def read_graph(data: bytes) -> Graph:
    """Read the bytes of a ModelProto.

    Raises
    ------
    ValueError
        If they are not valid, or hold anything that the graphs of asdkit do not have; says what.
    """
    try:
        model = _message(memoryview(data), _MODEL, iter(range(_MAX_FIELDS)))
        graph = model["graph"]
        opsets = [(found.get("domain", ""), found["version"]) for found in model["opset_import"]]
        if len(opsets) != 1:
            raise ValueError(f"it uses operators of {', '.join(repr(name) for name, _ in opsets[:8]) or 'no set'}")
        [opset] = opsets
        constants = [_constant(tensor) for tensor in graph["initializer"]]
        made = Graph(
            model["ir_version"],
            opset[1],
            tuple(_node(node) for node in graph["node"]),
            dict(constants),
            *(tuple(_value(value) for value in graph[name]) for name in ("input", "output", "value_info")),
        )
    except KeyError as error:
        raise ValueError(f"it has no {error.args[0]}") from None
    if opset[0] not in ("", "ai.onnx"):
        raise ValueError(f"it uses operators of {opset[0]!r}")
    if len(made.constants) < len(constants):
        raise ValueError("two of its constants have one name")
    return made


def _node(node: dict[str, Any]) -> Node:
    attributes = [_attribute(attribute) for attribute in node["attribute"]]
    if len(dict(attributes)) < len(attributes):
        raise ValueError(f"{node['op_type']}: has an attribute twice")
    return Node(node["op_type"], tuple(node["input"]), tuple(node["output"]), dict(attributes))


def _attribute(attribute: dict[str, Any]) -> tuple[str, Any]:
    name, kind = attribute["name"], _ATTRIBUTE_TYPES.get(attribute["type"], "")
    used = {key for key in ("f", "i", "s", "ints") if attribute.get(key, []) != []}
    if not kind or not used <= {kind}:
        raise ValueError(f"the attribute {name!r} is not of one of the types number, text and list of integers")
    value = attribute[kind]
    return name, tuple(value) if kind == "ints" else bytes(value) if kind == "s" else value


def _constant(tensor: dict[str, Any]) -> tuple[str, npt.NDArray[Any]]:
    name, dims = tensor["name"], tensor["dims"]
    dtype = np.dtype(_dtype(tensor["data_type"]))
    if len(dims) > _MAX_DIMS or min(dims, default=0) < 0:
        raise ValueError(f"the constant {name!r} has the shape {dims[: _MAX_DIMS + 1]}")
    raw = tensor.get("raw_data", b"")
    if prod(dims) * dtype.itemsize != len(raw):
        raise ValueError(f"the constant {name!r} of shape {dims} has {len(raw)} bytes")
    array = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(dims)
    if dtype.kind == "b" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise ValueError(f"the constant {name!r} holds bytes that are no truth values")
    return name, array


def _value(value: dict[str, Any]) -> Value:
    tensor = value["type"]["tensor_type"]
    dims = tensor["shape"]["dim"]
    if len(dims) > _MAX_DIMS or any(dim.get("dim_value", 0) < 0 for dim in dims):
        raise ValueError(f"the value {value['name']!r} has no valid shape")
    return Value(value["name"], _dtype(tensor["elem_type"]), tuple(dim.get("dim_value") for dim in dims))


def _dtype(code: int) -> type[np.generic]:
    found = DTYPES.get(code) or QUANTISED.get(code)
    if found is None:
        raise ValueError(f"it uses the element type {code}")
    return found


def _message(data: memoryview, table: Mapping[int, _Field], budget: Iterator[int]) -> dict[str, Any]:
    """Read one message: values by the names of their fields, a list for each field that may be there many times.

    `budget` has one element for each field that may still be read.
    """
    found: dict[str, Any] = {field.name: [] for field in table.values() if field.many}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field = table.get(tag >> 3)
        if field is None or field.kind == "refused":
            name = f"a field of the number {tag >> 3}" if field is None else field.name
            raise ValueError(f"it has {name}, which graphs of asdkit do not have")
        if next(budget, None) is None:
            raise ValueError(f"it has more than {_MAX_FIELDS:,} fields")
        value, at = _field(data, at, tag & 7, field, budget)
        if field.many:
            found[field.name].append(value)
        elif field.name in found:
            raise ValueError(f"{field.name} is there twice")
        else:
            found[field.name] = value
    return found


def _field(data: memoryview, at: int, wire: int, field: _Field, budget: Iterator[int]) -> tuple[Any, int]:
    expected = {"int": _VARINT, "float": _FIXED32}.get(field.kind if isinstance(field.kind, str) else "", _BYTES)
    if wire != expected:
        raise ValueError(f"{field.name} is encoded otherwise than a graph's")
    if wire == _VARINT:
        number, at = _varint(data, at)
        return number - _RANGE if number & _SIGN else number, at
    size = 4
    if wire == _BYTES:
        size, at = _varint(data, at)
    if size > len(data) - at:
        raise ValueError(f"{field.name} is cut short")
    part = data[at : at + size]
    if wire == _FIXED32:
        return struct.unpack("<f", part)[0], at + size
    if not isinstance(field.kind, str):
        return _message(part, field.kind, budget), at + size
    if field.kind == "empty" and size:
        raise ValueError(f"it has a {field.name}, which graphs of asdkit do not have")
    if field.kind == "bytes":
        return part, at + size  # no copy: these are the weights
    if size > _MAX_TEXT:
        raise ValueError(f"{field.name} has {size:,} bytes; expected at most {_MAX_TEXT:,}")
    try:
        return str(part, "utf-8"), at + size
    except UnicodeDecodeError:
        raise ValueError(f"{field.name} is not UTF-8") from None


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a number of at most 64 bits in as few bytes as it needs."""
    number = 0
    for place in range(_VARINT_BYTES):
        if at + place >= len(data):
            raise ValueError("it is cut short")
        byte = data[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if number >= _RANGE or (place and not byte):
                break
            return number, at + place + 1
    raise ValueError("a number is encoded in more bytes than it needs")
