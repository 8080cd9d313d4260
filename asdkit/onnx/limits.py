"""What an ONNX graph may cost: known operators, known shapes, bounded memory and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from asdkit.onnx.graph import Graph, Node, Value, read_graph
from asdkit.onnx.layers import OPERATORS
from asdkit.onnx.shapes import Call, Item, apply

LARGEST_BATCH: Final = 128
MAX_BYTES: Final = 1 << 29
"""Memory of all values that one call computes, as if none of it were used again [bytes]."""
MAX_WORK: Final = 20_000_000_000
"""Multiplications and additions of one call; between two calls a scorer can be stopped."""
_MAX_NODES = 10_000
_IR_VERSIONS, _OPSETS = range(8, 13), range(18, 24)


@dataclass(frozen=True)
class Plan:
    """How a graph is used.

    Attributes
    ----------
    batch
        Elements of the batch in one call, at most.
    inputs, outputs
        Shapes of one element of the batch: of the input and of the output.
    output
        Name of the output.
    """

    batch: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output: str


@dataclass
class _Cost:
    size: int = 0
    work: int = 0

    def add(self, node: Node, item: Item, call: Call) -> None:
        operator = OPERATORS[node.op]
        self.size += item.size * np.dtype(item.dtype).itemsize
        self.work += operator.work(call, item.shape)
        if node.op == "Conv":  # a copy of the input for each weight of the kernel, one clip at a time
            self.size += 4 * prod(call.item(1).shape[1:]) * prod(item.shape[2:])

    @property
    def allowed(self) -> bool:
        return self.size <= MAX_BYTES and self.work <= MAX_WORK


def check_graph(data: bytes, check_ends: Callable[[Value, Value], None]) -> Plan:
    """Check that a graph may be opened, and choose the size of a batch.

    Nothing of it is run. Shapes are computed from the file alone.

    Parameters
    ----------
    data
        ONNX model with one input and one output; the first dimension of both is the batch.
    check_ends
        Raises ValueError if input and output are not of the expected types and shapes.

    Raises
    ------
    ValueError
        If the graph has anything that asdkit does not write, is not valid, or takes too much memory or time.
    """
    graph = read_graph(data)
    if graph.ir_version not in _IR_VERSIONS or graph.opset not in _OPSETS:
        raise ValueError(f"it is of IR version {graph.ir_version} and opset {graph.opset}")
    if not 0 < len(graph.nodes) <= _MAX_NODES:
        raise ValueError(f"it has {len(graph.nodes)} operations; expected 1 to {_MAX_NODES}")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(f"it has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; expected one of each")
    check_ends(graph.inputs[0], graph.outputs[0])
    one, found = _cost(graph, 1)
    if not one.allowed:
        raise ValueError(f"one window takes more than {MAX_BYTES >> 20} MiB or {MAX_WORK:.0e} operations")
    batch = LARGEST_BATCH
    while batch > 1 and not _cost(graph, batch)[0].allowed:
        batch //= 2
    _cost(graph, 3)  # a size of which no shape can be by chance
    return Plan(batch, tuple(n or 0 for n in graph.inputs[0].shape[1:]), found.shape[1:], graph.outputs[0].name)


def require_batches(inputs: Value, outputs: Value) -> None:
    """Require that input and output are float32 with a free first dimension, and the others of the input are fixed.

    Raises
    ------
    ValueError
        If they are not.
    """
    if inputs.dtype is not np.float32 or len(inputs.shape) < 2 or inputs.shape[0] is not None:
        raise ValueError("its input is not a batch of float32 with a free size")
    if not all(inputs.shape[1:]):
        raise ValueError("its input has dimensions of no fixed size besides the batch")
    if outputs.dtype is not np.float32 or not outputs.shape or outputs.shape[0] is not None:
        raise ValueError("its output is not a batch of float32 with a free size")


def _cost(graph: Graph, batch: int) -> tuple[_Cost, Item]:
    """Compute all shapes for a batch of a size; return what they take, and the output."""
    items = {
        name: Item(array.dtype.newbyteorder("=").type, array.shape, array) for name, array in graph.constants.items()
    }
    windows = graph.inputs[0]
    if windows.name in items or "" in items:
        raise ValueError("its constants and inputs have no names of their own")
    items[windows.name] = Item(np.float32, (batch, *(n or 0 for n in windows.shape[1:])))
    cost = _Cost()
    for node in graph.nodes:
        call = Call(node, tuple(_input(items, name) for name in node.inputs))
        try:
            if node.op not in OPERATORS:
                raise ValueError("is none of the operators that a graph may use")
            item = apply(OPERATORS[node.op], call)
        except ValueError as error:
            raise ValueError(f"its operator {node.op} {error}") from None
        if node.outputs[0] in items or not node.outputs[0]:
            raise ValueError("two of its values have one name")
        items[node.outputs[0]] = item
        cost.add(node, item, call)
        if not cost.allowed:
            break  # larger shapes are not worth computing
    else:
        _require_declared(items, [*graph.declared, *graph.outputs], batch)
    return cost, items.get(graph.outputs[0].name, Item(np.float32, ()))


def _input(items: dict[str, Item], name: str) -> Item | None:
    if name and name not in items:
        raise ValueError(f"the value {name!r} is used before it is computed")
    return items[name] if name else None


def _require_declared(items: dict[str, Item], values: Sequence[Value], batch: int) -> None:
    """Require that what the file states about values is so: memory is planned by it."""
    for value in values:
        item = items.get(value.name)
        if item is None:
            raise ValueError(f"its value {value.name!r} is not computed")
        same = len(item.shape) == len(value.shape) and item.dtype is value.dtype
        if not same or any(n not in (None, m) for n, m in zip(value.shape, item.shape, strict=True)):
            raise ValueError(f"its value {value.name!r} is not of the stated shape or type for {batch} windows")
    output = items[values[-1].name]
    if output.shape[0] != batch:
        raise ValueError(f"it gives {output.shape[0]} scores for {batch} windows")
