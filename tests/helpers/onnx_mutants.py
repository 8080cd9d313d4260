"""ONNX graphs mutated at random, by the fields of their messages and by bytes; what becomes of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.onnx.layers import OPERATORS
from tests.helpers import onnx_graphs, onnx_operators

Rng = np.random.Generator
_NUMBERS = (-(1 << 63), -(1 << 31), -9, -2, -1, 0, 1, 2, 3, 4, 7, 16, 1 << 12, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1)
_WINDOWS = 3


def mutant(data: bytes, rng: Rng) -> bytes:
    """Return a graph with one to three changes of fields, of bytes, or of both."""
    import onnx

    way = rng.integers(10)
    if way < 8:
        model = onnx.load_from_string(data)
        for _ in range(int(rng.choice((1, 1, 2, 3)))):
            change = _small if way < 5 else _CHANGES[int(rng.integers(len(_CHANGES)))]
            change(model, rng)
        data = model.SerializeToString()
    return _bytes_changed(data, rng) if way >= 7 else data


def _number(rng: Rng) -> int:
    return int(_NUMBERS[int(rng.integers(len(_NUMBERS)))])


def _any(items: Any, rng: Rng) -> Any:
    return items[int(rng.integers(len(items)))] if len(items) else None


def _small(model: Any, rng: Rng) -> None:
    """Change a number that is there by little, or an operator to another one that is permitted."""
    node, tensor = _any(model.graph.node, rng), _any(model.graph.initializer, rng)
    step = int(rng.integers(-3, 4))
    attribute = _any(node.attribute, rng)
    match int(rng.integers(5)):
        case 0 if attribute is not None:
            attribute.i += step if attribute.type == 2 else 0
            if attribute.ints:
                attribute.ints[int(rng.integers(len(attribute.ints)))] += step
        case 1 | 2 if tensor is not None and tensor.data_type == 7:
            numbers = np.frombuffer(tensor.raw_data, np.int64).copy()
            numbers.flat[int(rng.integers(numbers.size)) if numbers.size else slice(0)] += step
            tensor.raw_data = numbers.tobytes()
        case 3:
            model.opset_import[0].version = int(rng.integers(17, 25))
        case _:
            node.op_type = _any(sorted(OPERATORS), rng)


def _operator(model: Any, rng: Rng) -> None:
    from onnx import defs

    names = sorted(OPERATORS) if rng.random() < 0.7 else sorted({schema.name for schema in defs.get_all_schemas()})
    _any(model.graph.node, rng).op_type = _any(names, rng)


def _attribute(model: Any, rng: Rng) -> None:
    node = _any(model.graph.node, rng)
    attribute = _any(node.attribute, rng)
    if attribute is None or rng.random() < 0.3:
        attribute = node.attribute.add()
        attribute.name = _any(("axis", "to", "group", "pads", "keepdims", "transA", "alpha", "body", "perm"), rng)
        attribute.type = int(rng.integers(0, 15))
    elif rng.random() < 0.2:
        node.attribute.remove(attribute)
        return
    match int(rng.integers(5)):
        case 0:
            attribute.i = _number(rng)
        case 1:
            attribute.ints[:] = [_number(rng) for _ in range(int(rng.integers(0, 6)))]
        case 2:
            attribute.f = float(rng.normal())
        case 3:
            attribute.s = rng.bytes(3)
        case _:
            attribute.type = int(rng.integers(0, 15))


def _constant(model: Any, rng: Rng) -> None:
    tensor = _any(model.graph.initializer, rng)
    if tensor is None:
        return
    match int(rng.integers(5)):
        case 0:
            tensor.data_type = int(rng.integers(0, 24))
        case 1:
            tensor.dims[:] = [_number(rng) for _ in range(int(rng.integers(0, 5)))]
        case 2 if len(tensor.raw_data) in (8, 16, 24, 32):
            count = len(tensor.raw_data) // 8
            tensor.raw_data = np.array([_number(rng) for _ in range(count)], np.int64).tobytes()
        case 3:
            tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
        case _:
            numbers = np.frombuffer(tensor.raw_data, np.uint8).copy()
            if len(numbers):
                numbers[rng.integers(len(numbers), size=4)] = rng.integers(256, size=4)
            tensor.raw_data = numbers.tobytes()


def _wiring(model: Any, rng: Rng) -> None:
    node, other = _any(model.graph.node, rng), _any(model.graph.node, rng)
    names = [name for n in model.graph.node for name in (*n.input, *n.output)] + [""]
    match int(rng.integers(6)):
        case 0 if len(node.input):
            node.input[int(rng.integers(len(node.input)))] = _any(names, rng)
        case 1:
            node.input.append(_any(names, rng))
        case 2:
            del node.input[-1:]
        case 3:
            node.output[0] = _any(names, rng)
        case 4:
            model.graph.node.remove(node)
            if not model.graph.node:
                model.graph.node.append(node)
        case _:
            model.graph.node.insert(0, other)


def _types(model: Any, rng: Rng) -> None:
    value = _any([*model.graph.input, *model.graph.output, *model.graph.value_info], rng)
    tensor = value.type.tensor_type
    match int(rng.integers(4)):
        case 0:
            tensor.elem_type = int(rng.integers(0, 24))
        case 1 if tensor.shape.dim:
            _any(tensor.shape.dim, rng).dim_value = _number(rng)
        case 2:
            tensor.shape.dim.add().dim_value = _number(rng)
        case _:
            value.name = _any([n.output[0] for n in model.graph.node if n.output] or [""], rng)


def _version(model: Any, rng: Rng) -> None:
    if rng.random() < 0.5:
        model.opset_import[0].version = int(rng.integers(1, 30))
    else:
        model.ir_version = int(rng.integers(0, 16))


def _forbidden(model: Any, rng: Rng) -> None:
    change, _ = _any(list(onnx_graphs.REFUSED.values()), rng)
    with suppress(IndexError, ValueError, TypeError):  # the graph is no longer the one that the change is of
        change(model)


def _canary(model: Any, rng: Rng) -> None:
    tensor = _any(model.graph.initializer, rng) or model.graph.initializer.add()
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in {"location": "canary.bin", "offset": "0", "length": str(size)}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


_CHANGES: tuple[Callable[[Any, Rng], None], ...] = (
    _operator, _operator, _attribute, _attribute, _constant, _constant, _wiring, _wiring, _types, _version, _forbidden,
    _canary,
)  # fmt: skip


def _bytes_changed(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        end = min(2000, len(changed)) if rng.random() < 0.7 else len(changed)
        at = int(rng.integers(end)) if end else 0
        match int(rng.integers(6)):
            case 0 if changed:
                changed[at] ^= 1 << int(rng.integers(8))
            case 1:
                changed[at : at + 1] = bytes([int(rng.integers(256))])
            case 2:
                del changed[at : at + int(rng.integers(1, 20))]
            case 3:
                changed[at:at] = changed[at : at + int(rng.integers(1, 20))]
            case 4 if changed and changed[at] < 0x80:
                changed[at : at + 1] = bytes([changed[at] | 0x80, 0])  # the same number in one byte more
            case _:
                del changed[max(1, at) :]
    return bytes(changed)


@dataclass(frozen=True)
class Seed:
    """A graph that is accepted: its bytes, frames of a window, and ids of its columns."""

    data: bytes
    frames: int
    ids: list[str]


def outcome(data: bytes, seed: Seed, rng: Rng) -> str:
    """Open and run a graph; return what became of it.

    ``"refused"``: by a ValueError. ``"failed"``: opened, and a clean error of onnxruntime on these windows.
    ``"scored"``. Anything else is a fault: ``"checker: ..."`` where onnx's checker refuses an opened graph,
    ``"shape: ..."`` where its output has another shape than computed.
    """
    import onnx

    try:
        detector = GraphDetector(data, seed.frames, seed.ids)
    except ValueError:
        return "refused"
    try:
        onnx.checker.check_model(data, full_check=True)
    except Exception as error:
        return f"checker: {' '.join(str(error).split())[:200]}"
    windows = rng.standard_normal((_WINDOWS, seed.frames, detector.bands), np.float32)
    try:
        scores = detector.run(windows)
    except ValueError:
        return "failed"
    expected = (_WINDOWS, len(seed.ids)) if seed.ids else (_WINDOWS,)
    return "scored" if scores.shape == expected else f"shape: {scores.shape} for {expected}"


def small_seeds() -> list[Seed]:
    """Return a plain graph, and one of each operator."""
    seeds = [Seed(onnx_graphs.make_model().SerializeToString(), onnx_graphs.FRAMES, [])] * 10
    for op in onnx_operators.CASES:
        data = onnx_operators.make(op)
        seeds.append(Seed(data, onnx_graphs.FRAMES, [str(i) for i in range(sum(onnx_graphs.plan_of(data).outputs))]))
    return seeds


def fuzz(seeds: list[Seed], numbers: range, folder: Path, note: Callable[[bytes], None]) -> Counter[str]:
    """Return how many mutants, one for each number, had which outcome; `note` gets each before it is opened.

    `folder` must be the working directory. ``"canary read"`` counts the mutants that read ``canary.bin`` in it, and
    ``"control"`` is 1 if that would be noticed.
    """
    canary = folder / "canary.bin"
    canary.write_bytes(np.full(1 << 12, 3.0, np.float32).tobytes())

    def read() -> bool:
        found = canary.stat().st_atime_ns > 0
        os.utime(canary, ns=(0, 1))
        return found

    read()
    canary.read_bytes()
    counts: Counter[str] = Counter(control=int(read()))
    for number in numbers:
        rng = np.random.default_rng(number)
        seed = _any(seeds, rng)
        changed = mutant(seed.data, rng)
        note(changed)
        try:
            counts[outcome(changed, seed, rng)] += 1
        except Exception as error:
            counts[f"crash: {type(error).__name__}: {error}"[:200]] += 1
        counts["canary read"] += read()
    return counts
