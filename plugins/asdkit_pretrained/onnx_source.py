"""From a published ONNX file to a graph of the plain form that asdkit reads. Imports onnx.

The graph is cut at the embedding, gets one float32 input and a batch of any size; constants, data in a file beside it
included, become part of it; names of authors, notes and declared shapes are left out. What it computes stays the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper, numpy_helper, version_converter

_OPSETS, _IR_VERSION = range(18, 24), 10


def read_published(path: Path, largest: int) -> Any:
    """Return the model of an ONNX file, with its data of files in the same folder.

    Raises
    ------
    ValueError
        If data are outside the folder or too large, or the model has functions or operators of its own.
    """
    model = onnx.load(path, load_external_data=False)
    if model.functions or any(each.domain not in ("", "ai.onnx") for each in (*model.opset_import, *model.graph.node)):
        raise ValueError("it has operators of its own")
    folder, total = path.parent.resolve(), path.stat().st_size
    for name in sorted({_location(tensor) for tensor in model.graph.initializer if tensor.data_location == 1}):
        file = (folder / name).resolve()
        if not name or Path(name).is_absolute() or not file.is_relative_to(folder) or not file.is_file():
            raise ValueError(f"its data are in {name!r}, which is no file in the model's folder")
        total += file.stat().st_size
    if total > largest:
        raise ValueError(f"it has {total:,} bytes; expected at most {largest:,}")
    external_data_helper.load_external_data_for_model(model, str(folder))
    if model.opset_import[0].version not in _OPSETS:
        model = version_converter.convert_version(model, _OPSETS[0])
    return model


def plain_graph(model: Any, cut: str) -> tuple[bytes, tuple[int, ...]]:
    """Return the part of a model up to the value `cut`, and the shape of one element of its input.

    Raises
    ------
    ValueError
        If there is no such value, or the part has other inputs than one.
    """
    nodes, names = _part(model, cut)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in [node for node in nodes if node.op_type == "Constant"]:
        constants[node.output[0]] = _constant(node)
    nodes = [node for node in nodes if node.op_type != "Constant"]
    inputs = [value for value in model.graph.input if value.name in names and value.name not in constants]
    if len(inputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs; expected one")
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
    if len(dims) < 2 or min(dims[1:]) < 1:
        raise ValueError(f"its input has the shape {dims}; expected sizes that are fixed, besides the batch")
    blocks, embedding = (_unused(wanted, names) for wanted in ("blocks", "embedding"))
    nodes = [*_float_input(inputs[0], nodes, blocks), *nodes]
    for node in nodes:
        node.doc_string = ""
        del node.metadata_props[:]
    nodes.append(helper.make_node("Flatten", [cut], [embedding], axis=1))
    used = {value for node in nodes for value in node.input}
    graph = helper.make_graph(
        nodes,
        "embedding",
        [helper.make_tensor_value_info(blocks, TensorProto.FLOAT, ["batch", *dims[1:]])],
        [helper.make_tensor_value_info(embedding, TensorProto.FLOAT, ["batch", "numbers"])],
        [_initializer(key, value) for key, value in constants.items() if key in used],
    )
    opset = helper.make_opsetid("", model.opset_import[0].version)
    data: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION).SerializeToString()
    return data, tuple(dims[1:])


def _location(tensor: Any) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _part(model: Any, cut: str) -> tuple[list[Any], set[str]]:
    """Return the nodes that a value depends on, in their order, and the names of all values among them."""
    names, nodes = {cut}, []
    for node in reversed(model.graph.node):
        if names & set(node.output):
            names |= set(node.input)
            nodes.append(node)
    if not nodes:
        raise ValueError(f"it computes no value {cut!r}")
    return nodes[::-1], names


def _constant(node: Any) -> np.ndarray[Any, Any]:
    [attribute] = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    dtype = np.float32 if attribute.name in ("value_float", "value_floats") else np.int64
    return np.array(value, dtype)


def _initializer(name: str, value: np.ndarray[Any, Any]) -> Any:
    tensor = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
    assert tensor.HasField("raw_data")
    return tensor


def _unused(name: str, names: set[str]) -> str:
    return name if name not in names else _unused(f"{name}_", names)


def _float_input(value: Any, nodes: list[Any], name: str) -> list[Any]:
    """Make a float32 value of this name the input; return the node that quantises it where the graph takes that."""
    if value.type.tensor_type.elem_type == TensorProto.FLOAT:
        for node in nodes:
            node.input[:] = [name if each == value.name else each for each in node.input]
        return []
    readers = [node for node in nodes if value.name in node.input]
    if len(readers) != 1 or readers[0].op_type != "DequantizeLinear":
        raise ValueError("its input is neither float32 nor quantised")
    return [helper.make_node("QuantizeLinear", [name, *readers[0].input[1:]], [value.name])]
