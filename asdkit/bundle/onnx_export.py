"""Networks written down as ONNX graphs, each checked against torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from asdkit.bundle.graphs import session_of
from asdkit.errors import AsdkitError, AsdkitWarning, UsageError

if TYPE_CHECKING:
    from asdkit.bundle.parts import Member

NEEDED = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4
"""Largest difference of a graph's score from torch's, relative."""
_TRACED, _CHECKED = 3, 7  # batch sizes
_ABSOLUTE = 1e-6  # of a score next to zero


def graphs_of(member: Member, bands: int) -> dict[str, tuple[bytes, list[str]]]:
    """Graphs of a member's networks, by id, each with the ids of its columns.

    A detector that is no `asdkit.api.NetworkDetector` has none and is opened by its plugin; the caller is warned where
    that would need torch all the same.

    Raises
    ------
    UsageError
        If what writes graphs is not installed.
    AsdkitError
        If a network cannot be written down, or the graph scores otherwise than torch.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX graphs need {', '.join(missing)}, not installed here", hint="pip install 'asdkit[onnx]'"
        )
    from asdkit.training import NetworkDetector

    made = {}
    for id_, detector in member.detectors.items():
        if not isinstance(detector, NetworkDetector):
            text = f"{member.name} ({member.use}) is no network of asdkit's kind: no graph; its plugin opens it"
            warnings.warn(text, AsdkitWarning, stacklevel=2)
            return {}
        assert isinstance(member.frames, int)  # a network has windows of one size
        made[id_] = _graph(member.name, detector.scoring_module(), member.frames, bands)
    return made


def _graph(name: str, module: Any, frames: int, bands: int) -> tuple[bytes, list[str]]:
    import torch

    rng = np.random.default_rng(0)
    mean, scale = module.mean.numpy().mean(axis=0), module.scale.numpy()

    def windows(count: int) -> torch.Tensor:
        noise = rng.standard_normal((count, frames, bands), np.float32)
        return torch.from_numpy((noise / scale + mean).astype(np.float32))

    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (windows(_TRACED),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["windows"],
                output_names=["scores"],
                verbose=False,
            )
    except Exception as error:
        cause = " ".join(str(error).split())[:300]
        raise AsdkitError(
            f"{name}: its network cannot be written as an ONNX graph: {type(error).__name__}: {cause}",
            hint="Leave out --onnx: its plugin opens it with torch.",
        ) from None
    assert program is not None
    graph = _plain(program.model_proto)
    batch = windows(_CHECKED)
    with torch.inference_mode():
        expected = module(batch).numpy()
    [found] = session_of(graph, 1).run(None, {"windows": batch.numpy()})
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=TOLERANCE, atol=_ABSOLUTE):
        raise AsdkitError(f"{name}: its ONNX graph scores otherwise than torch; tell the project, and leave out --onnx")
    return graph, list(module.ids) if found.ndim == 2 else []


def _plain(model: Any) -> bytes:
    """The graph without notes of where it came from: source paths have no place in a bundle."""
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter talks of itself, by warnings and by its logger."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
