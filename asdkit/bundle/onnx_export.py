"""Write the networks of a system as ONNX graphs, each compared with torch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from asdkit.bundle.members import Member
from asdkit.bundle.onnx_compare import random_windows, scores_agree
from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.errors import AsdkitError, AsdkitWarning
from asdkit.onnx.export import export_onnx, require_packages

_EXPORTED, _COMPARED = 3, 7  # batch sizes


def graphs_of(member: Member, bands: int) -> dict[str, tuple[bytes, list[str]]]:
    """Return the ONNX graphs of a member by id, each with the ids of its columns.

    A detector that is not an `asdkit.api.NetworkDetector` has no graph; its plugin loads it. Raises and warns as
    `export`.
    """
    require_packages()
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
    try:
        graph = export_onnx(module, random_windows(module, _EXPORTED, frames, bands, rng))
    except ValueError as error:
        raise AsdkitError(
            f"{name}: its network cannot be written as an ONNX graph: {error}",
            hint="Export without --onnx: its plugin loads it with torch.",
        ) from None
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
