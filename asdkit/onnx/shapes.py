"""Operators that a graph may use, and the shapes of what they compute.

All shapes must follow from the file and the number of windows: that bounds memory and time before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from asdkit.onnx.graph import DTYPES, Node

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
AttributeKind = Literal["int", "float", "text", "ints"]

SLOW: Final = 16
"""Multiplications and additions in the time that an element of a logarithm, a copy or the like takes."""
_MAX_RANK = 8
_MAX_KNOWN = 4096  # elements of a shape or of indices that is computed here
_INTEGERS = (np.int32, np.int64)
_FLOATS = (np.float32, np.float64)


@dataclass(frozen=True)
class Item:
    """A value in a graph: its type, and its content where that follows from the file and the number of windows."""

    dtype: type[np.generic]
    shape: Shape
    content: Array | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def integers(self) -> list[int]:
        """Content that a shape depends on.

        Raises
        ------
        ValueError
            If it depends on the windows, or is no list of integers.
        """
        if self.content is None or self.dtype not in _INTEGERS or self.content.ndim > 1:
            raise ValueError("a shape depends on the content of windows")
        return [int(number) for number in self.content.reshape(-1)]


@dataclass(frozen=True)
class Call:
    """A node with its inputs; None for an input that is left out."""

    node: Node
    items: tuple[Item | None, ...]

    def item(self, place: int) -> Item:
        """Return an input that must be there."""
        found = self.items[place] if place < len(self.items) else None
        if found is None:
            raise ValueError("an input is missing")
        return found

    def optional(self, place: int) -> Item | None:
        """Return an input that may be left out."""
        return self.items[place] if place < len(self.items) else None

    def present(self) -> list[Item]:
        """Return all inputs, none of which may be left out."""
        return [self.item(place) for place in range(len(self.items))]

    def number(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        value = self.node.attributes.get(name, default)
        assert isinstance(value, int)
        return value

    def numbers(self, name: str, default: Sequence[int]) -> Shape:
        """Return an attribute that is a list of as many integers as its default."""
        value = self.node.attributes.get(name, tuple(default))
        if not isinstance(value, tuple) or len(value) != len(default):
            raise ValueError(f"{name} is not a list of {len(default)} integers")
        return value


Result = tuple[type[np.generic], Shape]
"""Type and shape of the one output."""


@dataclass(frozen=True)
class Operator:
    """An operator with one output.

    Attributes
    ----------
    infer
        From inputs to the type and shape of the output; raises ValueError.
    inputs
        Least and largest number of inputs.
    attributes
        Those it may have, and their types.
    compute
        Computes the output; None where no shape ever depends on it.
    work
        Multiplications and additions that take as long; default: `SLOW` for an element of the output.
    by_shape
        Whether `compute` depends on the shape of the input alone.
    """

    infer: Callable[[Call], Result]
    inputs: tuple[int, int]
    attributes: Mapping[str, AttributeKind]
    compute: Callable[[Call, Shape], Array] | None = None
    work: Callable[[Call, Shape], int] = lambda call, shape: SLOW * prod(shape)
    by_shape: bool = False


def apply(operator: Operator, call: Call) -> Item:
    """Return the output of an operator.

    Raises
    ------
    ValueError
        If the node is not valid, or its shape depends on the content of windows.
    """
    least, most = operator.inputs
    if not least <= len(call.items) <= most or len(call.node.outputs) != 1:
        raise ValueError("has too many or too few inputs or outputs")
    for name, value in call.node.attributes.items():
        if name not in operator.attributes or operator.attributes[name] != _kind(value):
            raise ValueError(f"has the attribute {name!r}")
    dtype, shape = operator.infer(call)
    if len(shape) > _MAX_RANK or min(shape, default=1) < 1:
        raise ValueError(f"has the shape {shape}")
    known = operator.by_shape or all(item is None or item.content is not None for item in call.items)
    if operator.compute is None or not known or dtype not in _INTEGERS or prod(shape) > _MAX_KNOWN:
        return Item(dtype, shape)
    with np.errstate(all="ignore"):
        return Item(dtype, shape, operator.compute(call, shape).astype(dtype).reshape(shape))


def _kind(value: object) -> AttributeKind:
    if isinstance(value, tuple):
        return "ints"
    return "text" if isinstance(value, bytes) else "int" if isinstance(value, int) else "float"


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the start."""
    if not -rank <= axis < rank:
        raise ValueError(f"has no axis {axis}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """Return axes counted from the start, each once."""
    found = [axis_of(axis, rank) for axis in axes]
    if len(set(found)) < len(found):
        raise ValueError("names an axis twice")
    return found


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape of values that are combined element by element."""
    rank = max(map(len, shapes))
    sizes = [set(column) - {1} for column in zip(*((1,) * (rank - len(s)) + s for s in shapes), strict=True)]
    if any(len(size) > 1 for size in sizes):
        raise ValueError(f"combines values of the shapes {', '.join(map(str, shapes))}")
    return tuple(size.pop() if size else 1 for size in sizes)


def same_type(items: Sequence[Item], allowed: Sequence[type[np.generic]]) -> type[np.generic]:
    """Return the type of all inputs."""
    [dtype, *others] = {item.dtype for item in items}
    if others or dtype not in allowed:
        raise ValueError("has inputs of other types")
    return dtype


def _elementwise(*allowed: type[np.generic], gives: type[np.generic] | None = None) -> Callable[[Call], Result]:
    def infer(call: Call) -> Result:
        items = call.present()
        dtype = same_type(items, allowed)
        return gives or dtype, broadcast(*(item.shape for item in items))

    return infer


def _where(call: Call) -> Result:
    condition, *items = call.present()
    same_type([condition], (np.bool_,))
    return same_type(items, tuple(DTYPES.values())), broadcast(*(item.shape for item in call.present()))


def _clip(call: Call) -> Result:
    limits = [item for item in call.items[1:] if item is not None]
    if any(item.shape for item in limits):
        raise ValueError("has a limit that is no single number")
    return same_type([call.item(0), *limits], _FLOATS), call.item(0).shape


def _along_axis(call: Call) -> Result:
    axis_of(call.number("axis", -1), len(call.item(0).shape))
    return same_type(call.present(), _FLOATS), call.item(0).shape


def _reduce(call: Call) -> Result:
    data, axes = call.item(0), call.optional(1)
    rank = len(data.shape)
    named = axes_of(axes.integers(), rank) if axes is not None else []
    if not named and not call.number("noop_with_empty_axes", 0):
        named = list(range(rank))
    kept = call.number("keepdims", 1)
    shape = tuple(1 if i in named else n for i, n in enumerate(data.shape) if kept or i not in named)
    return same_type([data], _FLOATS), shape


def _cast(call: Call) -> Result:
    code = call.number("to", 0)
    if code not in DTYPES:
        raise ValueError(f"has the element type {code}")
    return DTYPES[code], call.item(0).shape


_ALL = tuple(DTYPES.values())
_UNARY = (
    "Abs", "Atanh", "Erf", "Exp", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh",
)  # fmt: skip
_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
    "ReduceSumSquare",
)  # fmt: skip
_REDUCED: Final[dict[str, AttributeKind]] = {"keepdims": "int", "noop_with_empty_axes": "int"}


def _arithmetic(compute: Callable[[Array, Array], Array]) -> Operator:
    def of(call: Call, shape: Shape) -> Array:
        first, second = (item.content for item in call.present())
        assert first is not None
        assert second is not None
        return compute(first, second)

    return Operator(_elementwise(*_FLOATS, *_INTEGERS), (2, 2), {}, of)


def _content(call: Call) -> Array:
    content = call.item(0).content
    assert content is not None
    return content


ELEMENTWISE: Final[Mapping[str, Operator]] = {
    **{name: Operator(_elementwise(*_FLOATS), (1, 1), {}) for name in _UNARY},
    # Integers by zero would end the process.
    **{name: Operator(_elementwise(*_FLOATS), (2, 2), {}) for name in ("Div", "Pow")},
    **{name: Operator(_elementwise(*_FLOATS), (1, 64), {}) for name in ("Max", "Min")},
    **{
        name: Operator(_elementwise(*_FLOATS, *_INTEGERS, gives=np.bool_), (2, 2), {})
        for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    },
    **{name: Operator(_elementwise(np.bool_), (2, 2), {}) for name in ("And", "Or")},
    **{name: Operator(_elementwise(*_FLOATS, gives=np.bool_), (1, 1), {}) for name in ("IsInf", "IsNaN")},
    **{
        name: Operator(_reduce, (1, 2), _REDUCED, work=lambda call, shape: SLOW * call.item(0).size)
        for name in _REDUCTIONS
    },
    **{name: Operator(_along_axis, (1, 1), {"axis": "int"}) for name in ("LogSoftmax", "Softmax")},
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Not": Operator(_elementwise(np.bool_), (1, 1), {}),
    "Elu": Operator(_elementwise(*_FLOATS), (1, 1), {"alpha": "float"}),
    "LeakyRelu": Operator(_elementwise(*_FLOATS), (1, 1), {"alpha": "float"}),
    "Gelu": Operator(_elementwise(*_FLOATS), (1, 1), {"approximate": "text"}),
    "Identity": Operator(_elementwise(*_ALL), (1, 1), {}, lambda call, shape: _content(call)),
    "Cast": Operator(_cast, (1, 1), {"to": "int"}, lambda call, shape: _content(call)),
    "Clip": Operator(_clip, (1, 3), {}),
    "Where": Operator(_where, (3, 3), {}),
}
"""Operators that work element by element or along axes; all keep or reduce their input's shape."""
