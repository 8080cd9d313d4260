"""A small ONNX graph of windows to scores, and changes of it that a bundle may not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asdkit.bundle.onnx_runtime import check_scoring_ends
from asdkit.onnx import Plan, check_graph

FRAMES, BANDS = 4, 8


def make_model() -> Any:
    """Return a ModelProto: a matrix product, and the mean of its positive part."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants = {
        "shape": np.array([-1, FRAMES * BANDS]),
        "weight": rng.standard_normal((16, FRAMES * BANDS)).astype(np.float32),
        "bias": np.ones(16, np.float32),
        "axes": np.array([1]),
    }
    nodes = [
        helper.make_node("Reshape", ["windows", "shape"], ["rows"], allowzero=1),
        helper.make_node("Gemm", ["rows", "weight", "bias"], ["units"], transB=1),
        helper.make_node("Relu", ["units"], ["positive"]),
        helper.make_node("ReduceMean", ["positive", "axes"], ["scores"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", FRAMES, BANDS])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def plan_of(data: bytes) -> Plan:
    """Return how a graph of windows to scores is used."""
    return check_graph(data, check_scoring_ends)


def external(location: str, **entries: str) -> Callable[[Any], None]:
    """Return a change that stores the weights in another file."""

    def change(model: Any) -> None:
        weight = model.graph.initializer[1]
        weight.ClearField("raw_data")
        weight.data_location = 1
        for key, value in {"location": location, "offset": "0", "length": "2048", **entries}.items():
            entry = weight.external_data.add()
            entry.key, entry.value = key, value

    return change


def constant(name: str, array: np.ndarray) -> Callable[[Any], None]:
    """Return a change that adds a constant."""

    def change(model: Any) -> None:
        from onnx import numpy_helper

        model.graph.initializer.append(numpy_helper.from_array(array, name))

    return change


def inserted(
    op: str, *inputs: str, add: Callable[[Any], None] | None = None, **attributes: Any
) -> Callable[[Any], None]:
    """Return a change that inserts an operator before the activation."""

    def change(model: Any) -> None:
        from onnx import helper

        if add is not None:
            add(model)
        domain = attributes.pop("domain", "")
        model.graph.node.insert(2, helper.make_node(op, ["units", *inputs], ["new"], domain=domain, **attributes))
        model.graph.node[3].input[0] = "new"

    return change


def loop(model: Any) -> None:
    """Never end: a loop whose condition stays true."""
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [helper.make_node("Identity", ["in"], ["on"]), helper.make_node("Identity", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    constant("forever", np.array(True))(model)
    model.graph.node.insert(2, helper.make_node("Loop", ["", "forever", "units"], ["new"], body=body))
    model.graph.node[3].input[0] = "new"


def choice(model: Any) -> None:
    """Nest graphs in an If."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("same", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("Identity", ["units"], ["same"])], "branch", [], [value])
    constant("yes", np.array(True))(model)
    model.graph.node.insert(2, helper.make_node("If", ["yes"], ["new"], then_branch=branch, else_branch=branch))
    model.graph.node[3].input[0] = "new"


def function(model: Any) -> None:
    """Define a function of the graph's own."""
    from onnx import helper

    body = [helper.make_node("Relu", ["x"], ["y"])]
    model.functions.append(helper.make_function("own", "Own", ["x"], ["y"], body, [helper.make_opsetid("", 20)]))
    model.opset_import.append(helper.make_opsetid("own", 1))


def metadata(model: Any) -> None:
    """Add metadata to the model."""
    entry = model.metadata_props.add()
    entry.key, entry.value = "author", "anybody"


def training(model: Any) -> None:
    """Add training information."""
    model.training_info.add()


def sparse(model: Any) -> None:
    """Add a sparse constant."""
    model.graph.sparse_initializer.add()


def opset(version: int) -> Callable[[Any], None]:
    """Return a change of the operators' version."""

    def change(model: Any) -> None:
        model.opset_import[0].version = version

    return change


def stated(shape: tuple[int, ...]) -> Callable[[Any], None]:
    """Return a change that states the shape of a value between input and output."""

    def change(model: Any) -> None:
        from onnx import TensorProto, helper

        model.graph.value_info.append(helper.make_tensor_value_info("units", TensorProto.FLOAT, shape))

    return change


def fixed_batch(model: Any) -> None:
    """Score only batches of one window."""
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def renamed(model: Any) -> None:
    """Compute a value twice."""
    model.graph.node[2].output[0] = "units"


def integer_division(model: Any) -> None:
    """Divide integers by zero, which ends the process."""
    from onnx import TensorProto, helper

    constant("zero", np.zeros(16, np.int64))(model)
    nodes = [
        helper.make_node("Cast", ["units"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Div", ["whole", "zero"], ["quotient"]),
        helper.make_node("Cast", ["quotient"], ["new"], to=TensorProto.FLOAT),
    ]
    for node in reversed(nodes):
        model.graph.node.insert(2, node)
    model.graph.node[5].input[0] = "new"


def heavy(model: Any) -> None:
    """Multiply matrices of little memory for long."""
    from onnx import helper

    constant("square", np.array([1, 3000, 3000]))(model)
    nodes = [
        helper.make_node("ReduceMax", ["units", "axes"], ["one"], keepdims=0),
        helper.make_node("Reshape", ["one", "ends"], ["column"], allowzero=1),
        helper.make_node("Expand", ["column", "square"], ["matrix"]),
        helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
        helper.make_node("ReduceMean", ["product", "inner"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axes"], ["new"]),
    ]
    constant("ends", np.array([-1, 1, 1]))(model)
    constant("inner", np.array([1, 2]))(model)
    for node in reversed(nodes):
        model.graph.node.insert(2, node)
    model.graph.node[8].input[0] = "new"


_LARGE = np.array([64, 1 << 14, 1 << 10, 16])
REFUSED: dict[str, tuple[Callable[[Any], None], str]] = {
    "a file of the working directory": (external("canary.bin"), "it has (external_data|data_location), which"),
    "an absolute path": (external("/etc/hostname"), "it has (external_data|data_location), which"),
    "an address in memory": (
        external("*/_ORT_MEM_ADDR_/*", offset="4096"),
        "it has (external_data|data_location), which",
    ),
    "a loop": (loop, "it has graph, which"),
    "an if": (choice, "it has graph, which"),
    "a function": (function, "it has functions, which"),
    "metadata": (metadata, "it has metadata_props, which"),
    "training information": (training, "it has training_info, which"),
    "a sparse constant": (sparse, "it has sparse_initializer, which"),
    "another domain": (inserted("Relu", domain="com.microsoft"), "it has a domain"),
    "an unknown operator": (inserted("Sin"), "Sin is none of the operators"),
    "random numbers": (inserted("Dropout"), "Dropout is none of the operators"),
    "a new attribute": (inserted("Relu", alpha=2.0), "has the attribute 'alpha'"),
    "an attribute of another type": (inserted("Elu", alpha=2), "has the attribute 'alpha'"),
    "an old opset": (opset(11), "opset 11"),
    "a future opset": (opset(99), "opset 99"),
    "a fixed batch": (fixed_batch, "its input is not a batch of windows"),
    "a value computed twice": (renamed, "two of its values have one name"),
    "a false shape": (stated((7, 16)), "is not of the stated shape"),
    "four gigabytes": (
        inserted("Expand", "large", add=constant("large", _LARGE)),
        "one window takes more than 512 MiB",
    ),
    "a minute of work": (heavy, "or 2e.10 operations"),
    "a shape beyond all numbers": (
        inserted("Expand", "large", add=constant("large", np.array([1 << 62, 1 << 62, 1 << 62, 16]))),
        "one window takes more than 512 MiB",
    ),
    "a shape from the windows": (inserted("Expand", "units"), "a shape depends on the content of windows"),
    "rows that are not there": (inserted("Gather", "rows99", add=constant("rows99", np.array([1 << 40]))), "rows that"),
    "a division of integers": (integer_division, "has inputs of other types"),
}
"""Changes of `make_model`, and what the message says."""
