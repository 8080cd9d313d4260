"""What a bundle's graph may cost: known operators, known shapes, bounded memory and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from asdkit.bundle.onnx_graph import Graph, Node, Value, read_graph
from asdkit.bundle.onnx_layers import OPERATORS
from asdkit.bundle.onnx_shapes import Call, Item, apply

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
        Windows in one call, at most.
    frames, bands
        Of a window.
    ids
        Columns of the scores [``[batch, ids]``]; None: one score a window.
    """

    batch: int
    frames: int
    bands: int
    ids: int | None


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


def check_graph(data: bytes) -> Plan:
    """Check that a graph may be opened, and choose the number of windows in a call.

    Nothing of it is run. Shapes are computed from the file alone.

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
    windows, scores = _ends(graph)
    frames, bands = windows.shape[1:]
    assert frames is not None
    assert bands is not None
    one, found = _cost(graph, 1)
    if not one.allowed:
        raise ValueError(f"one window takes more than {MAX_BYTES >> 20} MiB or {MAX_WORK:.0e} operations")
    batch = LARGEST_BATCH
    while batch > 1 and not _cost(graph, batch)[0].allowed:
        batch //= 2
    _cost(graph, 3)  # a size of which no shape can be by chance
    return Plan(batch, frames, bands, found.shape[1] if len(scores.shape) == 2 else None)


def _ends(graph: Graph) -> tuple[Value, Value]:
    """Return the input and the output."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(f"it has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; expected one of each")
    windows, scores = graph.inputs[0], graph.outputs[0]
    if windows.dtype is not np.float32 or len(windows.shape) != 3 or windows.shape[0] is not None:
        raise ValueError("its input is not a batch of windows")
    if not all(windows.shape[1:]):
        raise ValueError("its windows have no fixed number of frames and bands")
    if scores.dtype is not np.float32 or len(scores.shape) not in (1, 2) or scores.shape[0] is not None:
        raise ValueError("its output is not a batch of scores")
    return windows, scores


def _cost(graph: Graph, batch: int) -> tuple[_Cost, Item]:
    """Compute all shapes for a number of windows; return what they take, and the output."""
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
                raise ValueError("is none of the operators that a bundle's graph may use")
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
