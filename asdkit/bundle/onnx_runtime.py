"""Score with the ONNX graph of a network by onnxruntime, without importing torch."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from asdkit.context import Context, State
from asdkit.errors import Stopped
from asdkit.features import Features, FloatArray, Windows
from asdkit.text import error_message

_BATCH = 512
_EXTERNAL_DATA = b"\n\x08location"  # the key of a tensor that is stored in another file


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
        If onnxruntime cannot load the graph, or its output is not scores.
    """

    def __init__(self, graph: bytes, frames: int | Literal["clip"], ids: Sequence[str]) -> None:
        if frames == "clip" or _EXTERNAL_DATA in graph:
            raise ValueError("not a graph that asdkit writes")
        self._graph, self._frames = graph, frames
        self._ids = list(ids)
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._check(self._session(1))

    def fit(self, training: object, ctx: Context) -> None:
        """Raise an error: a graph is not trained."""
        raise NotImplementedError("a graph cannot be trained")

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        from asdkit.kernels import gather

        session = self._session(ctx.threads)
        name = session.get_inputs()[0].name
        columns = np.array([self._ids.index(id_) if self._ids else 0 for id_ in ids], np.int64)[windows.clip_of()]
        scores = np.empty(len(windows), np.float32)
        buffer = np.empty((min(_BATCH, len(windows)), self._frames, features.bands), np.float32)
        for first in range(0, len(windows), _BATCH):
            if ctx.should_stop():
                raise Stopped("scoring was stopped")
            starts = windows.starts[first : first + _BATCH]
            batch = buffer[: len(starts)]
            gather(features.frames, starts, self._frames, batch)
            [output] = session.run(None, {name: batch})
            rows = slice(first, first + len(starts))
            scores[rows] = output if output.ndim == 1 else output[np.arange(len(output)), columns[rows]]
        return scores

    def state(self) -> State:
        """Raise an error: the graph is the state."""
        raise NotImplementedError("a graph has no other state")

    def load(self, state: State) -> None:
        """Raise an error: the graph is passed to the constructor."""
        raise NotImplementedError("a graph is passed to the constructor")

    def _check(self, session: Any) -> None:
        """Score a window of zeros: detects NaN weights, and a graph for other windows or ids."""
        [windows] = session.get_inputs()
        if len(windows.shape) != 3 or windows.shape[1] != self._frames or not isinstance(windows.shape[2], int):
            raise ValueError(f"the graph takes {windows.shape}, not windows of {self._frames} frames")
        try:
            [scores] = session.run(None, {windows.name: np.zeros((1, *windows.shape[1:]), np.float32)})
        except Exception as error:
            raise ValueError(f"onnxruntime cannot run the graph: {error_message(error, 200)}") from None
        if scores.shape not in ((1,), (1, len(self._ids))) or not np.isfinite(scores).all():
            raise ValueError("the graph returns scores of the wrong shape, or not finite")

    def _session(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = open_session(self._graph, threads)
            return self._sessions[threads]


def open_session(graph: bytes, threads: int) -> Any:
    """Load a graph on the CPU.

    Raises
    ------
    ValueError
        If onnxruntime cannot load it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; nothing is printed
    # Threads that spin while they wait would take the cores from the threads that compute features.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"onnxruntime cannot load the graph: {error_message(error, 200)}") from None
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
        raise ValueError("not a graph that asdkit writes")
    return session
