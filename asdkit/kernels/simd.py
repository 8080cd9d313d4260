"""A vector type for Numba, and its lowering to LLVM: one SIMD lane per frame.

Kernels process `LANES` frames at once. Row ``i`` of a buffer [float32, ``[rows, LANES]``] holds number ``i`` of each
frame, so an operation on one frame is one vector instruction for all of them, without shuffling between lanes. Numba
has no such type, and LLVM vectorizes the equivalent loops only if it can prove that buffers do not overlap, which it
cannot here.

The Python bodies of the public functions define what each does and run when the JIT is disabled. Below them is the
code that Numba generates instead. None checks bounds. Multiplications and additions may be fused (LLVM's flag
``contract``); no other fastmath flag is set, so NaN and Inf propagate.

This module uses the private surface of Numba and llvmlite. Import it only from `asdkit.kernels.fft` and
`asdkit.kernels.log_mel_simd`, which `asdkit.kernels.fallback` loads on first use.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import lower_builtin, models, register_model, type_callable

LANES = 16 if binding.get_host_cpu_features().get("avx512f", False) else 8

TILE = 2 * LANES
"""Consecutive samples of each frame that `load_tile` reads."""


def load(rows: Any, i: int) -> Any:
    """Read row `i`."""
    return rows[i].copy()


def store(rows: Any, i: int, lanes: Any) -> None:
    """Write row `i`."""
    rows[i] = lanes


def spread(number: Any) -> Any:
    """Copy a float32 number into all lanes."""
    return np.full(LANES, number, np.float32)


def at_least(lanes: Any, floor: Any) -> Any:
    """Maximum of each lane and `floor`; NaN stays."""
    return np.where(lanes < np.float32(floor), np.float32(floor), lanes)


def root(lanes: Any) -> Any:
    """Square root."""
    return np.sqrt(lanes)


def exponent(lanes: Any) -> Any:
    """``e`` of ``m * 2**e``, m in [1, 2), for positive normal numbers."""
    return (np.frexp(lanes)[1] - 1).astype(np.float32)


def mantissa(lanes: Any) -> Any:
    """``m`` of ``m * 2**e``, m in [1, 2), for positive normal numbers."""
    return 2 * np.frexp(lanes)[0]


def where_finite(lanes: Any, then: Any) -> Any:
    """`then` where `lanes` is below infinity; `lanes` itself where it is NaN or Inf."""
    return np.where(lanes < np.float32(np.inf), then, lanes)


def load_tile(samples: Any, start: int, hop: int, rows: Any, at: int) -> None:
    """Transpose `TILE` samples of each frame into rows: ``rows[at + i, lane] = samples[start + lane * hop + i]``."""
    for lane in range(LANES):
        begin = start + lane * hop
        rows[at : at + TILE, lane] = samples[begin : begin + TILE]


def store_tile(rows: Any, at: int, out: Any, frame: int, band: int) -> None:
    """Transpose `LANES` rows into frames: ``out[frame + lane, band + i] = rows[at + i, lane]``."""
    out[frame : frame + LANES, band : band + LANES] = rows[at : at + LANES].T


_FLAGS = ("contract",)
_FLOAT = ir.FloatType()
_WORD = ir.IntType(32)
_FLOATS = ir.VectorType(_FLOAT, LANES)
_WORDS = ir.VectorType(_WORD, LANES)


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"lanes({LANES})")


_lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: _LanesType) -> None:
        super().__init__(manager, fe_type, _FLOATS)


def _is_rows(rows: types.Type) -> bool:
    return isinstance(rows, types.Array) and rows.dtype == types.float32 and rows.layout == "C"


def _typed(function: Callable[..., Any], result: types.Type, accept: Callable[..., bool]) -> None:
    @type_callable(function)
    def _typer(context: Any) -> Callable[..., Any]:
        def typer(*args: Any) -> types.Type | None:
            return result if accept(*args) else None

        typer.__signature__ = inspect.signature(accept)  # type: ignore[attr-defined]
        return typer


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, i: Any, width: int) -> Any:
    """Address of element ``i * width``."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [builder.mul(i, ir.Constant(i.type, width))])


def _load(builder: Any, pointer: Any, vector: Any, align: int) -> Any:
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=align)


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=4)


def _splat(builder: Any, scalar: Any) -> Any:
    vector = ir.VectorType(scalar.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), ir.Constant(_WORDS, [0] * LANES))


def _integer(i: types.Type) -> bool:
    return isinstance(i, types.Integer)


for _operation in (operator.add, operator.sub, operator.mul):
    _typed(_operation, _lanes, lambda a, b: a == _lanes and b == _lanes)
_typed(operator.mul, _lanes, lambda a, b: a == _lanes and isinstance(b, types.Float))
_typed(operator.add, _lanes, lambda a, b: a == _lanes and isinstance(b, types.Float))
_typed(load, _lanes, lambda rows, i: _is_rows(rows) and _integer(i))
_typed(store, types.none, lambda rows, i, lanes: _is_rows(rows) and _integer(i) and lanes == _lanes)
_typed(spread, _lanes, lambda number: number == types.float32)
_typed(at_least, _lanes, lambda lanes, floor: lanes == _lanes)
_typed(root, _lanes, lambda lanes: lanes == _lanes)
_typed(exponent, _lanes, lambda lanes: lanes == _lanes)
_typed(mantissa, _lanes, lambda lanes: lanes == _lanes)
_typed(where_finite, _lanes, lambda lanes, then: lanes == _lanes and then == _lanes)
_typed(load_tile, types.none, lambda samples, start, hop, rows, at: _is_rows(rows))
_typed(store_tile, types.none, lambda rows, at, out, frame, band: _is_rows(rows) and _is_rows(out))


@lower_builtin(operator.add, _lanes, _lanes)
def _add(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fadd(*args, flags=_FLAGS)


@lower_builtin(operator.sub, _lanes, _lanes)
def _sub(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fsub(*args, flags=_FLAGS)


@lower_builtin(operator.mul, _lanes, _lanes)
def _mul(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fmul(*args, flags=_FLAGS)


def _single(context: Any, builder: Any, value: Any, from_type: Any) -> Any:
    return _splat(builder, context.cast(builder, value, from_type, types.float32))


@lower_builtin(operator.mul, _lanes, types.Float)
def _scale(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fmul(args[0], _single(context, builder, args[1], sig.args[1]), flags=_FLAGS)


@lower_builtin(operator.add, _lanes, types.Float)
def _shift(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fadd(args[0], _single(context, builder, args[1], sig.args[1]), flags=_FLAGS)


@lower_builtin(load, types.Array, types.Integer)
def _load_row(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    rows, i = args
    return _load(builder, _pointer(context, builder, sig.args[0], rows, i, LANES), _FLOATS, 4)


@lower_builtin(store, types.Array, types.Integer, _lanes)
def _store_row(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    rows, i, lanes = args
    _store(builder, lanes, _pointer(context, builder, sig.args[0], rows, i, LANES))
    return context.get_dummy_value()


@lower_builtin(spread, types.Float)
def _spread(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _splat(builder, args[0])


@lower_builtin(at_least, _lanes, types.Float)
def _at_least(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    floor = _single(context, builder, args[1], sig.args[1])
    return builder.select(builder.fcmp_ordered("<", args[0], floor), floor, args[0])


@lower_builtin(root, _lanes)
def _root(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    square_root = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOATS, [_FLOATS]), f"llvm.sqrt.v{LANES}f32"
    )
    return builder.call(square_root, args)


def _constant_words(value: int) -> Any:
    return ir.Constant(_WORDS, [value] * LANES)


@lower_builtin(exponent, _lanes)
def _exponent(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    biased = builder.lshr(builder.bitcast(args[0], _WORDS), _constant_words(23))
    return builder.sitofp(builder.sub(biased, _constant_words(127)), _FLOATS)


@lower_builtin(mantissa, _lanes)
def _mantissa(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    bits = builder.and_(builder.bitcast(args[0], _WORDS), _constant_words(0x007FFFFF))
    return builder.bitcast(builder.or_(bits, _constant_words(0x3F800000)), _FLOATS)


@lower_builtin(where_finite, _lanes, _lanes)
def _where_finite(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    infinity = ir.Constant(_FLOATS, [float("inf")] * LANES)
    return builder.select(builder.fcmp_ordered("<", args[0], infinity), args[1], args[0])


@lower_builtin(load_tile, types.Array, types.Integer, types.Integer, types.Array, types.Integer)
def _load_tile(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    samples, start, hop, rows, at = args
    samples_type, _, _, rows_type, _ = sig.args
    pairs = samples_type.dtype == types.int16  # two samples are one word, so that they are transposed as one
    for half in range(1 if pairs else 2):
        words = []
        begin = builder.add(start, ir.Constant(start.type, half * LANES))
        for _ in range(LANES):
            pointer = _pointer(context, builder, samples_type, samples, begin, 1)
            words.append(_load(builder, pointer, _WORDS if pairs else _FLOATS, 2 if pairs else 4))
            begin = builder.add(begin, hop)
        for i, column in enumerate(_transpose(builder, words)):
            row = builder.add(at, ir.Constant(at.type, 2 * i if pairs else half * LANES + i))
            pointer = _pointer(context, builder, rows_type, rows, row, LANES)
            if pairs:
                first = builder.ashr(builder.shl(column, _constant_words(16)), _constant_words(16))
                second = builder.ashr(column, _constant_words(16))
                _store(builder, builder.sitofp(first, _FLOATS), pointer)
                _store(builder, builder.sitofp(second, _FLOATS), builder.gep(pointer, [ir.Constant(_WORD, LANES)]))
            else:
                _store(builder, column, pointer)
    return context.get_dummy_value()


@lower_builtin(store_tile, types.Array, types.Integer, types.Array, types.Integer, types.Integer)
def _store_tile(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    rows, at, out, frame, band = args
    columns = []
    for i in range(LANES):
        row = builder.add(at, ir.Constant(at.type, i))
        columns.append(_load(builder, _pointer(context, builder, sig.args[0], rows, row, LANES), _FLOATS, 4))
    width = cgutils.unpack_tuple(builder, context.make_array(sig.args[2])(context, builder, out).shape)[1]
    begin = builder.add(builder.mul(frame, width), band)
    for column in _transpose(builder, columns):
        _store(builder, column, _pointer(context, builder, sig.args[2], out, begin, 1))
        begin = builder.add(begin, width)
    return context.get_dummy_value()


def _transpose(builder: Any, vectors: Sequence[Any]) -> list[Any]:
    """Transpose a square of `LANES` vectors of `LANES` numbers.

    First within 128 bits, then by moving 128 bits: log2(LANES) steps of one instruction a vector.
    """

    def shuffle(a: Any, b: Any, picks: Sequence[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(_WORDS, list(picks)))

    def interleave(a: Any, b: Any, first: Sequence[int]) -> Any:
        """In each 128 bits: the numbers `first` of a and of b (b's are counted from 4)."""
        return shuffle(a, b, [(i % 4 + LANES if i >= 4 else i) + g for g in range(0, LANES, 4) for i in first])

    quads = []  # quads[q][s], 128 bits g: column 4 g + s of rows 4 q to 4 q + 3
    for q in range(0, LANES, 4):
        a, b, c, d = vectors[q : q + 4]
        ab, cd = interleave(a, b, (0, 4, 1, 5)), interleave(c, d, (0, 4, 1, 5))
        ef, gh = interleave(a, b, (2, 6, 3, 7)), interleave(c, d, (2, 6, 3, 7))
        low, high = (0, 1, 4, 5), (2, 3, 6, 7)
        quads.append(
            [interleave(ab, cd, low), interleave(ab, cd, high), interleave(ef, gh, low), interleave(ef, gh, high)]
        )
    even = [4 * g + k for g in range(0, LANES // 2, 2) for k in range(4)]  # of a and b: every other 128 bits

    def by_block(parts: list[Any]) -> list[Any]:
        """Transpose blocks of 128 bits: block q of column g of the result is block g of parts[q]."""
        if len(parts) == 1:
            return parts
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        evens = by_block([shuffle(a, b, even) for a, b in pairs])
        odds = by_block([shuffle(a, b, [i + 4 for i in even]) for a, b in pairs])
        return [column for both in zip(evens, odds, strict=True) for column in both]

    by_place = [by_block([quad[s] for quad in quads]) for s in range(4)]
    return [by_place[i % 4][i // 4] for i in range(LANES)]
