"""Score with the ONNX graph of a network by onnxruntime, without importing torch.

onnxruntime loads only what `check_graph` accepts, and from memory only. One call has so few windows that it ends within
seconds, so a signal that stops scoring is handled soon.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from asdkit.bundle.onnx_limits import check_graph
from asdkit.context import Context, State
from asdkit.errors import Stopped
from asdkit.features import Features, FloatArray, Windows
from asdkit.text import error_message


def is_available() -> bool:
    """Return whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


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
        self._graph, self._plan = graph, check_graph(graph)
        self._ids = list(ids)
        if self._plan.frames != frames:
            raise ValueError(f"the graph scores windows of {self._plan.frames} frames, not {frames}")
        if (self._plan.ids or 0) != len(self._ids):
            raise ValueError(f"the graph has scores of {self._plan.ids or 0} ids, not {len(self._ids)}")
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()
        zeros = np.zeros((1, self._plan.frames, self._plan.bands), np.float32)
        if not np.isfinite(self.run(zeros)).all():
            raise ValueError("the graph returns scores of the wrong shape, or not finite")

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return self._plan.frames

    @property
    def bands(self) -> int:
        """Bands of a window."""
        return self._plan.bands

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
        session = self._session(threads)
        try:
            [scores] = session.run(None, {session.get_inputs()[0].name: windows})
        except Exception as error:
            raise ValueError(f"onnxruntime cannot run the graph: {error_message(error, 200)}") from None
        expected = (len(windows), *([len(self._ids)] if self._ids else []))
        if scores.shape != expected:
            raise ValueError(f"the graph returns scores of the wrong shape, {scores.shape} instead of {expected}")
        output: FloatArray = scores
        return output

    def fit(self, training: object, ctx: Context) -> None:
        """Raise an error: a graph is not trained."""
        raise NotImplementedError("a graph cannot be trained")

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        from asdkit.kernels import gather

        columns = np.array([self._ids.index(id_) if self._ids else 0 for id_ in ids], np.int64)[windows.clip_of()]
        scores = np.empty(len(windows), np.float32)
        size, frames = self._plan.batch, self._plan.frames
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

    def _session(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._sessions:
                self._sessions = {threads: _open_session(self._graph, threads)}  # one: each holds the weights
            return self._sessions[threads]


def _open_session(graph: bytes, threads: int) -> Any:
    """Load a graph that was checked, on the CPU.

    Raises
    ------
    ValueError
        If onnxruntime cannot load it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it keeps what the largest batch took: 100 MB a graph
    options.log_severity_level = 4  # errors are raised; nothing is printed
    # Threads that spin while they wait would take the cores from the threads that compute features.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"onnxruntime cannot load the graph: {error_message(error, 200)}") from None
