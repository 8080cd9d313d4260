"""Write the networks of a system as ONNX graphs, each compared with torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from asdkit.bundle.members import Member
from asdkit.bundle.onnx_compare import random_windows, scores_agree
from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.errors import AsdkitError, AsdkitWarning, UsageError
from asdkit.features import FloatArray
from asdkit.text import error_line

ONNX_PACKAGES: Final = ("onnx", "onnxruntime", "onnxscript")
_EXPORTED, _COMPARED = 3, 7  # batch sizes


def graphs_of(member: Member, bands: int) -> dict[str, tuple[bytes, list[str]]]:
    """Return the ONNX graphs of a member by id, each with the ids of its columns.

    A detector that is not an `asdkit.api.NetworkDetector` has no graph; its plugin loads it. Raises and warns as
    `export`.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX graphs need {', '.join(missing)}, not installed here", hint="pip install 'asdkit[onnx]'"
        )
    from asdkit.training import NetworkDetector

    graphs = {}
    for id_, detector in member.detectors.items():
        if not isinstance(detector, NetworkDetector):
            text = f"{member.name} ({member.use}) is not a NetworkDetector: no graph; its plugin loads it"
            warnings.warn(text, AsdkitWarning, stacklevel=2)
            return {}
        assert isinstance(member.frames, int)  # the windows of a network have one size
        graphs[id_] = _graph(member.name, detector.scoring_module(), member.frames, bands)
    return graphs


def _graph(name: str, module: Any, frames: int, bands: int) -> tuple[bytes, list[str]]:
    """Return the graph of a scoring module and the ids of its columns."""
    import torch

    rng = np.random.default_rng(0)
    graph = _without_metadata(_export_module(name, module, random_windows(module, _EXPORTED, frames, bands, rng)))
    windows = random_windows(module, _COMPARED, frames, bands, rng)
    with torch.inference_mode():
        ids = list(module.ids) if module(torch.from_numpy(windows)).ndim == 2 else []
    try:
        detector = GraphDetector(graph, frames, ids)
    except ValueError as error:
        raise AsdkitError(
            f"{name}: its network cannot be scored as an ONNX graph: {error}",
            hint="Export without --onnx: its plugin loads it with torch.",
        ) from None
    if not scores_agree(detector, module, windows):
        raise AsdkitError(
            f"{name}: the scores of its ONNX graph differ from torch's",
            hint="Export without --onnx, and report this as a bug of asdkit.",
        )
    return graph, ids


def _export_module(name: str, module: Any, windows: FloatArray) -> Any:
    """Return the ONNX model of a torch module for batches of any size."""
    try:
        with _silent_exporter():
            model = _onnx_model(module, windows, strict=False)
            if model.graph.input[0].type.tensor_type.shape.dim[0].dim_value:
                # Python code of the network, such as len(), made the size of the batch a constant.
                model = _onnx_model(module, windows, strict=True)
    except Exception as error:
        raise AsdkitError(
            f"{name}: its network cannot be written as an ONNX graph: {error_line(error, 300)}",
            hint="Export without --onnx: its plugin loads it with torch.",
        ) from None
    return model


def _onnx_model(module: Any, windows: FloatArray, *, strict: bool) -> Any:
    """Trace and translate a module; `strict` traces its Python code too."""
    import torch

    arguments, batch = (torch.from_numpy(windows),), ({0: torch.export.Dim("batch")},)
    traced = torch.export.export(module, arguments, dynamic_shapes=batch, strict=True) if strict else module
    program = torch.onnx.export(
        traced,
        arguments,
        dynamo=True,
        dynamic_shapes=batch,
        input_names=["windows"],
        output_names=["scores"],
        custom_translation_table={torch.ops.aten.softplus.default: _softplus},
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _without_metadata(model: Any) -> bytes:
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
