"""Score with the ONNX graph of a network, without importing torch.

One call has so few windows that it ends within seconds, so a signal that stops scoring is handled soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from asdkit.context import Context, State
from asdkit.errors import Stopped
from asdkit.features import Features, FloatArray, Windows
from asdkit.onnx import OnnxModel
from asdkit.onnx.graph import Value


class GraphDetector:
    """A detector that scores with an ONNX graph; see `asdkit.api.Detector`. It cannot be fitted.

    Parameters
    ----------
    graph
        ONNX model: unstandardised windows [float32, ``[batch, frames, bands]``] to scores, ``[batch]`` or
        ``[batch, ids]``.
    frames
        Frames of a window.
    ids
        The ids of the columns.

    Raises
    ------
    ValueError
        If a bundle may not hold the graph, onnxruntime cannot load it, or its output is not scores.
    """

    def __init__(self, graph: bytes, frames: int | Literal["clip"], ids: Sequence[str]) -> None:
        self._model = OnnxModel(graph, check_scoring_ends)
        self._ids = list(ids)
        self._frames, self._bands = self._model.input_shape
        columns = sum(self._model.output_shape)
        if self._frames != frames:
            raise ValueError(f"the graph scores windows of {self._frames} frames, not {frames}")
        if columns != len(self._ids):
            raise ValueError(f"the graph has scores of {columns} ids, not {len(self._ids)}")
        if not np.isfinite(self.run(np.zeros((1, self._frames, self._bands), np.float32))).all():
            raise ValueError("the graph returns scores that are not finite")

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return self._frames

    @property
    def bands(self) -> int:
        """Bands of a window."""
        return self._bands

    @property
    def columns(self) -> list[str]:
        """Ids of the columns; empty where the graph gives one score per window."""
        return list(self._ids)

    def run(self, windows: FloatArray, threads: int = 1) -> FloatArray:
        """Return the graph's output for one batch of windows [float32, ``[batch, frames, bands]``].

        Raises
        ------
        ValueError
            If onnxruntime cannot load or run it.
        """
        return self._model.run(windows, threads)

    def fit(self, training: object, ctx: Context) -> None:
        """Raise an error: a graph is not trained."""
        raise NotImplementedError("a graph cannot be trained")

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        from asdkit.kernels import gather

        columns = np.array([self._ids.index(id_) if self._ids else 0 for id_ in ids], np.int64)[windows.clip_of()]
        scores = np.empty(len(windows), np.float32)
        size, frames = self._model.batch, self._frames
        buffer = np.empty((min(size, len(windows)), frames, features.bands), np.float32)
        for first in range(0, len(windows), size):
            if ctx.should_stop():
                raise Stopped("scoring was stopped")
            starts = windows.starts[first : first + size]
            batch = buffer[: len(starts)]
            gather(features.frames, starts, frames, batch)
            output = self.run(batch, ctx.threads)
            rows = slice(first, first + len(starts))
            scores[rows] = output if output.ndim == 1 else output[np.arange(len(output)), columns[rows]]
        return scores

    def state(self) -> State:
        """Raise an error: the graph is the state."""
        raise NotImplementedError("a graph has no other state")

    def load(self, state: State) -> None:
        """Raise an error: the graph is passed to the constructor."""
        raise NotImplementedError("a graph is passed to the constructor")


def check_scoring_ends(windows: Value, scores: Value) -> None:
    """Require that a graph computes one score for each window, or for each window and id.

    Raises
    ------
    ValueError
        If it does not.
    """
    if windows.dtype is not np.float32 or len(windows.shape) != 3 or windows.shape[0] is not None:
        raise ValueError("its input is not a batch of windows")
    if not all(windows.shape[1:]):
        raise ValueError("its windows have no fixed number of frames and bands")
    if scores.dtype is not np.float32 or len(scores.shape) not in (1, 2) or scores.shape[0] is not None:
        raise ValueError("its output is not a batch of scores")
