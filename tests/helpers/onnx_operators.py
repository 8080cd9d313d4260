"""A small valid graph of each operator that a bundle's graph may use."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.helpers.onnx_graphs import BANDS, FRAMES

F = np.float32
_FLAT = ("Flatten", ["windows"], {"axis": 1})
_IMAGE = ("Unsqueeze", ["windows", np.array([1])], {})
_KERNEL = np.linspace(-1, 1, 12, dtype=F).reshape(2, 1, 3, 2)
_MOVES = {"strides": [2, 1], "pads": [1, 0, 1, 1], "dilations": [1, 2], "kernel_shape": [3, 2]}
_POOL = {"kernel_shape": [2, 3], "strides": [1, 2], "pads": [1, 1, 0, 1]}
_ROW = np.linspace(0.5, 2, BANDS, dtype=F)

Step = tuple[str, list[Any], dict[str, Any]]
"""Operator, inputs and attributes; an input is a constant, a name, None, or ``"_"``: the output of the step before."""

CASES: dict[str, list[Step]] = {
    **{
        op: [(op, ["windows"], {})]
        for op in (
            "Abs", "Erf", "Exp", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh", "Elu",
            "LeakyRelu", "Gelu", "Identity", "Atanh",
        )
    },
    **{op: [(op, ["windows", _ROW], {})] for op in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")},
    **{op: [(op, ["windows", _ROW], {})] for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
    **{op: [(op, ["windows", np.array([1, 2])], {"keepdims": 1})] for op in (
        "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
        "ReduceSumSquare",
    )},
    "ReduceSum": [("ReduceSum", ["windows", np.array([-1])], {"keepdims": 0})],
    **{op: [(op, ["windows"], {"axis": -1})] for op in ("LogSoftmax", "Softmax")},
    **{op: [(op, ["windows"], {})] for op in ("IsInf", "IsNaN")},
    "Not": [("IsNaN", ["windows"], {}), ("Not", ["_"], {})],
    **{op: [("IsNaN", ["windows"], {}), (op, ["_", np.array([True])], {})] for op in ("And", "Or")},
    "Where": [("Greater", ["windows", _ROW], {}), ("Where", ["_", "windows", F(0)], {})],
    "BatchNormalization": [
        ("BatchNormalization", ["windows", *[np.linspace(0.5, 2, FRAMES, dtype=F)] * 4], {"epsilon": 1e-3})
    ],
    "Cast": [("Cast", ["windows"], {"to": 7})],
    "Clip": [("Clip", ["windows", None, F(1)], {})],
    "Concat": [("Concat", ["windows", "windows"], {"axis": 2})],
    "Conv": [_IMAGE, ("Conv", ["_", _KERNEL, np.ones(2, F)], _MOVES)],
    "AveragePool": [_IMAGE, ("AveragePool", ["_"], {**_POOL, "count_include_pad": 1})],
    "MaxPool": [_IMAGE, ("MaxPool", ["_"], {**_POOL, "dilations": [1, 2]})],
    "GlobalAveragePool": [_IMAGE, ("GlobalAveragePool", ["_"], {})],
    "Expand": [_IMAGE, ("Expand", ["_", np.array([3, 1, 1])], {})],
    "Flatten": [("Flatten", ["windows"], {"axis": -2})],
    "Gather": [("Gather", ["windows", np.array([[0, -1, 2]])], {"axis": 1})],
    "Gemm": [_FLAT, ("Gemm", ["_", np.ones((FRAMES * BANDS, 5), F), np.ones((1, 5), F)], {"alpha": 0.5, "beta": 2.0})],
    "LayerNormalization": [("LayerNormalization", ["windows", _ROW, _ROW], {"axis": -1, "epsilon": 1e-3})],
    "MatMul": [("MatMul", ["windows", np.ones((1, BANDS, 5), F)], {})],
    **{op: [
        ("QuantizeLinear", ["windows", _ROW / 99, np.full(BANDS, 3, np.uint8)], {"axis": 2}),
        ("DequantizeLinear", ["_", F(0.1), np.uint8(3)], {}),
        ("QuantizeLinear", ["_", F(0.1), np.int8(3)], {}), ("DequantizeLinear", ["_", F(0.1), np.int8(3)], {}),
    ] for op in ("QuantizeLinear", "DequantizeLinear")},
    "Range": [
        ("Shape", ["windows"], {"start": 1, "end": 2}), ("Squeeze", ["_"], {}),
        ("Range", [np.int64(0), "_", np.int64(3)], {}), ("Gather", ["windows", "_"], {"axis": 1}),
    ],
    "Reshape": [("Reshape", ["windows", np.array([0, 2, -1])], {"allowzero": 0})],
    "Shape": [
        ("Shape", ["windows"], {"start": -3}), ("Slice", ["_", np.array([0]), np.array([1])], {}),
        ("Concat", ["_", np.array([-1])], {"axis": 0}), ("Reshape", ["windows", "_"], {"allowzero": 1}),
    ],
    "Slice": [
        ("Slice", ["windows", np.array([1, -5]), np.array([1 << 40, -1]), np.array([1, 2]), np.array([2, 3])], {})
    ],
    "Squeeze": [_IMAGE, ("Squeeze", ["_", np.array([-3])], {})],
    "Transpose": [("Transpose", ["windows"], {"perm": [0, 2, 1]})],
    "Unsqueeze": [("Unsqueeze", ["windows", np.array([-1, 1])], {})],
}  # fmt: skip


def make(op: str) -> bytes:
    """Return a graph whose scores are the elements of an operator's output, so many of each window."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, last = [], [], "windows"
    for step, (name, inputs, attributes) in enumerate([*CASES[op], ("Flatten", ["_"], {"axis": 1})]):
        names = []
        for place, value in enumerate(inputs):
            if isinstance(value, np.ndarray | np.generic):
                constants.append(numpy_helper.from_array(np.asarray(value), f"c{step}.{place}"))
            names.append(
                "" if value is None else last if isinstance(value, str) and value == "_"
                else value if isinstance(value, str) else f"c{step}.{place}"
            )  # fmt: skip
        nodes.append(helper.make_node(name, names, [f"v{step}"], **attributes))
        last = f"v{step}"
    nodes.append(helper.make_node("Cast", [last], ["scores"], to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", FRAMES, BANDS])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "columns"])],
        constants,
    )
    data: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    ).SerializeToString()
    return data
