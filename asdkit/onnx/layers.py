"""Operators of a graph that arrange values, and those that multiply by weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np

from asdkit.onnx.graph import QUANTISED
from asdkit.onnx.shapes import (
    ELEMENTWISE,
    SLOW,
    Array,
    AttributeKind,
    Call,
    Operator,
    Result,
    Shape,
    axes_of,
    axis_of,
    broadcast,
    same_type,
)

_FLOATS = (np.float32, np.float64)
_INTEGERS = (np.int32, np.int64)
_MAX_FILTER_RANK = 3  # spatial dimensions


def _contents(call: Call) -> list[Array]:
    return [item.content for item in call.items if item is not None and item.content is not None]


def _reshape(call: Call) -> Result:
    data, wanted = call.item(0), call.item(1).integers()
    if not call.number("allowzero", 0):
        if any(n == 0 and i >= len(data.shape) for i, n in enumerate(wanted)):
            raise ValueError("keeps a dimension that is not there")
        wanted = [data.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    free, fixed = wanted.count(-1), prod(n for n in wanted if n != -1)
    if free > 1 or min(wanted, default=1) < -1 or not fixed:
        raise ValueError(f"has the shape {wanted}")
    shape = tuple(data.size // fixed if n == -1 else n for n in wanted)
    if prod(shape) != data.size:
        raise ValueError(f"gives {data.size} elements the shape {wanted}")
    return data.dtype, shape


def _flatten(call: Call) -> Result:
    data, axis = call.item(0), call.number("axis", 1)
    if not -len(data.shape) <= axis <= len(data.shape):
        raise ValueError(f"has no axis {axis}")
    cut = axis % len(data.shape) if axis < 0 else axis
    return data.dtype, (prod(data.shape[:cut]), prod(data.shape[cut:]))


def _squeeze(call: Call) -> Result:
    data, axes = call.item(0), call.optional(1)
    named = [i for i, n in enumerate(data.shape) if n == 1]
    if axes is not None:
        named = axes_of(axes.integers(), len(data.shape))
        if any(data.shape[axis] != 1 for axis in named):
            raise ValueError(f"removes dimensions of the shape {data.shape}")
    return data.dtype, tuple(n for i, n in enumerate(data.shape) if i not in named)


def _unsqueeze(call: Call) -> Result:
    data, axes = call.item(0), call.item(1).integers()
    named, rest = axes_of(axes, len(data.shape) + len(axes)), list(data.shape)
    return data.dtype, tuple(1 if i in named else rest.pop(0) for i in range(len(data.shape) + len(axes)))


def _transpose(call: Call) -> Result:
    data = call.item(0)
    order = call.numbers("perm", range(len(data.shape))[::-1])
    if sorted(order) != list(range(len(data.shape))):
        raise ValueError(f"has the order {order}")
    return data.dtype, tuple(data.shape[axis] for axis in order)


def _concat(call: Call) -> Result:
    items = call.present()
    axis = axis_of(call.number("axis", len(items[0].shape)), len(items[0].shape))
    if len({(*item.shape[:axis], *item.shape[axis + 1 :], len(item.shape)) for item in items}) != 1:
        raise ValueError(f"joins values of the shapes {[item.shape for item in items]}")
    shape = list(items[0].shape)
    shape[axis] = sum(item.shape[axis] for item in items)
    return same_type(items, (*_FLOATS, *_INTEGERS, np.bool_)), tuple(shape)


def _slices(call: Call) -> tuple[slice, ...]:
    rank = len(call.item(0).shape)
    starts, ends = call.item(1).integers(), call.item(2).integers()
    axes, steps = call.optional(3), call.optional(4)
    named = axes_of(range(len(starts)) if axes is None else axes.integers(), rank)
    strides = [1] * len(starts) if steps is None else steps.integers()
    if not len(starts) == len(ends) == len(named) == len(strides):
        raise ValueError("has lists of different lengths")
    if min(strides, default=1) < 1:  # backwards, an end before the start has no slice in Python
        raise ValueError("steps backwards")
    cuts = [slice(None)] * rank
    for axis, start, end, step in zip(named, starts, ends, strides, strict=True):
        cuts[axis] = slice(start, end, step)
    return tuple(cuts)


def _slice(call: Call) -> Result:
    data = call.item(0)
    cuts = zip(_slices(call), data.shape, strict=True)
    return data.dtype, tuple(len(range(*cut.indices(n))) for cut, n in cuts)


def _gather(call: Call) -> Result:
    data, indices = call.item(0), call.item(1)
    axis = axis_of(call.number("axis", 0), len(data.shape))
    same_type([indices], _INTEGERS)
    size, content = data.shape[axis], indices.content
    if content is not None and not ((content >= -size) & (content < size)).all():
        raise ValueError("takes rows that are not there")
    return data.dtype, (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])


def _take(call: Call, shape: Shape) -> Array:
    data, indices = _contents(call)
    taken: Array = np.take(data, indices.astype(np.intp), axis=call.number("axis", 0))
    return taken


def _shape(call: Call) -> Result:
    return np.int64, (len(_dimensions(call)),)


def _dimensions(call: Call) -> Shape:
    shape = call.item(0).shape
    return shape[slice(call.number("start", 0), call.number("end", len(shape)))]


def _expand(call: Call) -> Result:
    wanted = call.item(1).integers()
    if min(wanted, default=1) < 1:
        raise ValueError(f"has the shape {wanted}")
    return call.item(0).dtype, broadcast(call.item(0).shape, tuple(wanted))


def _range(call: Call) -> Result:
    limits = [item.integers() for item in call.present()]
    if any(item.shape for item in call.present()) or not all(len(numbers) == 1 for numbers in limits):
        raise ValueError("has limits that are no single numbers")
    start, limit, delta = (numbers[0] for numbers in limits)
    if start < 0 or delta < 1:  # onnxruntime may turn a range of rows into a slice, where -1 is the last row
        raise ValueError("counts from below zero, or backwards")
    return same_type(call.present(), _INTEGERS), (len(range(start, limit, delta)),)


def _matmul(call: Call) -> Result:
    first, second = call.present()
    if min(len(first.shape), len(second.shape)) < 2 or first.shape[-1] != second.shape[-2]:
        raise ValueError(f"multiplies values of the shapes {first.shape} and {second.shape}")
    rows = broadcast(first.shape[:-2], second.shape[:-2])
    return same_type([first, second], _FLOATS), (*rows, first.shape[-2], second.shape[-1])


def _gemm(call: Call) -> Result:
    first, second, added = call.item(0), call.item(1), call.optional(2)
    if not len(first.shape) == len(second.shape) == 2:
        raise ValueError("multiplies what are no matrices")
    rows, inner = first.shape[:: -1 if call.number("transA", 0) else 1]
    other, columns = second.shape[:: -1 if call.number("transB", 0) else 1]
    items = [first, second, *([] if added is None else [added])]
    if inner != other or (added is not None and broadcast(added.shape, (rows, columns)) != (rows, columns)):
        raise ValueError(f"combines the shapes {[item.shape for item in items]}")
    return same_type(items, _FLOATS), (rows, columns)


def _spans(call: Call, data: Shape, kernel: Shape) -> Shape:
    """Return the sizes over which a kernel moves: of a convolution or a pool."""
    rank, auto_pad = len(kernel), call.node.attributes.get("auto_pad", b"NOTSET")
    if not 1 <= rank <= _MAX_FILTER_RANK or len(data) != rank or auto_pad != b"NOTSET":
        raise ValueError("has no valid kernel")
    strides, dilations = call.numbers("strides", [1] * rank), call.numbers("dilations", [1] * rank)
    pads = call.numbers("pads", [0] * 2 * rank)
    largest = max((*strides, *dilations, *pads, *kernel))
    if min((*strides, *dilations, *kernel)) < 1 or min(pads) < 0 or largest > 1 << 20:
        raise ValueError("has no valid strides, dilations or pads")
    sizes = []
    for i, n in enumerate(data):
        reach = dilations[i] * (kernel[i] - 1) + 1
        free = n + pads[i] + pads[i + rank] - reach
        if free < 0:
            raise ValueError("has a kernel that does not fit")
        sizes.append(free // strides[i] + 1)
    return tuple(sizes)


def _conv(call: Call) -> Result:
    data, weight, bias = call.item(0), call.item(1), call.optional(2)
    items, group = [data, weight], call.number("group", 1)
    kernel = weight.shape[2:]
    if len(weight.shape) < 3 or len(data.shape) != len(weight.shape) or call.numbers("kernel_shape", kernel) != kernel:
        raise ValueError("has no valid kernel")
    if group < 1 or weight.shape[0] % group or data.shape[1] != weight.shape[1] * group:
        raise ValueError("has no valid groups")
    if bias is not None:
        items.append(bias)
        if bias.shape != weight.shape[:1]:
            raise ValueError("has no valid bias")
    return same_type(items, (np.float32,)), (data.shape[0], weight.shape[0], *_spans(call, data.shape[2:], kernel))


def _pool(call: Call) -> Result:
    data, kernel = call.item(0), call.node.attributes.get("kernel_shape")
    if not isinstance(kernel, tuple):
        raise ValueError("has no valid kernel")
    if call.number("storage_order", 0) or call.number("ceil_mode", 0):
        raise ValueError("rounds up, or counts columns first")
    pads = call.numbers("pads", [0] * 2 * len(kernel))
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=True)):
        raise ValueError("has pads as large as its kernel")
    return same_type([data], (np.float32,)), (*data.shape[:2], *_spans(call, data.shape[2:], kernel))


def _global_pool(call: Call) -> Result:
    data = call.item(0)
    if len(data.shape) < 3:
        raise ValueError(f"takes the mean of the shape {data.shape}")
    return same_type([data], (np.float32,)), (*data.shape[:2], *[1] * (len(data.shape) - 2))


def _batch_normalization(call: Call) -> Result:
    data, others = call.item(0), call.present()[1:]
    if len(data.shape) < 2 or any(item.shape != data.shape[1:2] for item in others):
        raise ValueError("has not one weight for each channel")
    if call.number("training_mode", 0):
        raise ValueError("trains")
    return same_type(call.present(), (np.float32,)), data.shape


def _normalization(call: Call) -> Result:
    data, others = call.item(0), call.present()[1:]
    axis = axis_of(call.number("axis", -1), len(data.shape))
    if any(item.shape != data.shape[axis:] for item in others):
        raise ValueError("has weights of another shape")
    return same_type(call.present(), _FLOATS), data.shape


def _quantisation(call: Call, dtype: type[np.generic]) -> type[np.generic]:
    """Check scale and zero point of values that are float32 or quantised; return the quantised type."""
    data, scale, zero = call.item(0), call.item(1), call.item(2)
    if scale.content is None or zero.content is None:
        raise ValueError("has a scale or zero point that is no constant")
    if scale.shape != zero.shape or len(scale.shape) > 1:
        raise ValueError("has no valid scale and zero point")
    if scale.size != 1 and scale.size != data.shape[axis_of(call.number("axis", 1), len(data.shape))]:
        raise ValueError("has not one scale for each channel")
    same_type([scale], (np.float32,))
    if not (np.isfinite(scale.content) & (scale.content > 0)).all():
        raise ValueError("has a scale that is not above zero")
    same_type([data], (dtype,))
    return same_type([zero], tuple(QUANTISED.values()))


def _quantize(call: Call) -> Result:
    return _quantisation(call, np.float32), call.item(0).shape


def _dequantize(call: Call) -> Result:
    _quantisation(call, call.item(2).dtype)
    return np.float32, call.item(0).shape


def _weighted(place: int) -> Any:
    """Multiplications of a product: each element of the output by what the input has along the inner axis."""

    def work(call: Call, shape: Shape) -> int:
        first = call.item(0)
        inner = first.shape[0] if place == 0 and call.number("transA", 0) else first.shape[-1]
        return prod(shape) * max(SLOW, inner)

    return work


def _kernel_work(call: Call, shape: Shape) -> int:
    return prod(shape) * max(SLOW, prod(call.item(1).shape[1:]))


def _pool_work(call: Call, shape: Shape) -> int:
    kernel = call.node.attributes.get("kernel_shape")
    return SLOW * prod(shape) * prod(kernel if isinstance(kernel, tuple) else ())


_KERNEL: Final[dict[str, AttributeKind]] = {
    "auto_pad": "text", "dilations": "ints", "kernel_shape": "ints", "pads": "ints", "strides": "ints",
}  # fmt: skip

OPERATORS: Final[Mapping[str, Operator]] = {
    **ELEMENTWISE,
    "BatchNormalization": Operator(
        _batch_normalization, (5, 5), {"epsilon": "float", "momentum": "float", "training_mode": "int"}
    ),
    "Concat": Operator(
        _concat, (1, 1024), {"axis": "int"},
        lambda call, shape: np.concatenate(_contents(call), call.number("axis", 0)),
    ),
    "Conv": Operator(_conv, (2, 3), {**_KERNEL, "group": "int"}, work=_kernel_work),
    "DequantizeLinear": Operator(_dequantize, (3, 3), {"axis": "int"}),
    "Expand": Operator(_expand, (2, 2), {}, lambda call, shape: np.broadcast_to(_contents(call)[0], shape)),
    "Flatten": Operator(_flatten, (1, 1), {"axis": "int"}),
    "Gather": Operator(_gather, (2, 2), {"axis": "int"}, _take),
    "Gemm": Operator(
        _gemm, (2, 3), {"alpha": "float", "beta": "float", "transA": "int", "transB": "int"}, work=_weighted(0)
    ),
    "GlobalAveragePool": Operator(_global_pool, (1, 1), {}, work=lambda call, shape: SLOW * call.item(0).size),
    "LayerNormalization": Operator(_normalization, (2, 3), {"axis": "int", "epsilon": "float"}),
    "MatMul": Operator(_matmul, (2, 2), {}, work=_weighted(1)),
    "AveragePool": Operator(
        _pool, (1, 1), {**_KERNEL, "ceil_mode": "int", "count_include_pad": "int"}, work=_pool_work
    ),
    "MaxPool": Operator(_pool, (1, 1), {**_KERNEL, "ceil_mode": "int", "storage_order": "int"}, work=_pool_work),
    "QuantizeLinear": Operator(_quantize, (3, 3), {"axis": "int"}),
    "Range": Operator(
        _range, (3, 3), {}, lambda call, shape: np.arange(*(int(content) for content in _contents(call)))
    ),
    "Reshape": Operator(_reshape, (2, 2), {"allowzero": "int"}, lambda call, shape: _contents(call)[0]),
    "Shape": Operator(
        _shape, (1, 1), {"start": "int", "end": "int"}, lambda call, shape: np.array(_dimensions(call)), by_shape=True
    ),
    "Slice": Operator(_slice, (3, 5), {}, lambda call, shape: _contents(call)[0][_slices(call)]),
    "Squeeze": Operator(_squeeze, (1, 2), {}, lambda call, shape: _contents(call)[0]),
    "Transpose": Operator(_transpose, (1, 1), {"perm": "ints"}),
    "Unsqueeze": Operator(_unsqueeze, (2, 2), {}, lambda call, shape: _contents(call)[0]),
}  # fmt: skip
"""All operators that a graph may use."""
