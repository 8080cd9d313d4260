"""Write torch modules as ONNX graphs, without source paths and other metadata of the exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from asdkit.errors import UsageError
from asdkit.text import error_line

PACKAGES: Final = ("onnx", "onnxruntime", "onnxscript")


def require_packages() -> None:
    """Raise `UsageError` if a package that the export needs is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX graphs need {', '.join(missing)}, not installed here", hint="pip install 'asdkit[onnx]'"
        )


def export_onnx(
    module: Any, example: npt.NDArray[np.float32], *, input_name: str = "windows", output_name: str = "scores"
) -> bytes:
    """Return a torch module with one input and one output as an ONNX graph for batches of any size.

    Parameters
    ----------
    module
        `torch.nn.Module` in evaluation mode.
    example
        [float32, ``[batch, ...]``] An input; a batch of 3, which is the size of nothing else, is a good choice.
    input_name, output_name
        Names in the graph.

    Raises
    ------
    UsageError
        If a package is missing.
    ValueError
        If the module cannot be exported; says why in one line.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> graph = export_onnx(torch.nn.Flatten(), np.zeros((3, 4, 5), np.float32))
    >>> b"windows" in graph
    True
    """
    require_packages()
    names = (input_name, output_name)
    try:
        with _silent_exporter():
            model = _onnx_model(module, example, names, strict=False)
            if model.graph.input[0].type.tensor_type.shape.dim[0].dim_value:
                # Python code of the network, such as len(), made the size of the batch a constant.
                model = _onnx_model(module, example, names, strict=True)
    except Exception as error:
        raise ValueError(error_line(error, 300)) from None
    return without_metadata(model)


def _onnx_model(module: Any, example: npt.NDArray[np.float32], names: tuple[str, str], *, strict: bool) -> Any:
    """Trace and translate a module; `strict` traces its Python code too."""
    import torch

    arguments, batch = (torch.from_numpy(example),), ({0: torch.export.Dim("batch")},)
    traced = torch.export.export(module, arguments, dynamic_shapes=batch, strict=True) if strict else module
    program = torch.onnx.export(
        traced,
        arguments,
        dynamo=True,
        dynamic_shapes=batch,
        input_names=names[:1],
        output_names=names[1:],
        custom_translation_table={torch.ops.aten.softplus.default: _softplus},
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def without_metadata(model: Any) -> bytes:
    """Serialize a model without metadata: it holds source paths of the computer that exported it."""
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@contextmanager
def _silent_exporter() -> Iterator[None]:
    """Suppress warnings and log messages of torch's exporter."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Translate ``log(1 + exp(x))``, which onnxruntime has in single precision only; no small value is rounded off."""
    from onnxscript import opset18

    op: Any = opset18
    scale = op.CastLike(op.Constant(value_float=beta), x)
    scaled = op.Mul(x, scale)
    one = op.CastLike(op.Constant(value_float=1.0), x)
    power = op.Exp(op.Neg(op.Abs(scaled)))
    total = op.Add(one, power)  # log(total) * power / (total - 1) is exact where total is a rounded 1 + power
    rest = op.Where(op.Equal(total, one), power, op.Mul(op.Log(total), op.Div(power, op.Sub(total, one))))
    return op.Div(op.Add(op.Relu(scaled), rest), scale)
