"""Networks as ONNX graphs: scoring with onnxruntime, torch neither needed nor imported."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from asdkit.context import Context, State
from asdkit.errors import Stopped
from asdkit.features import Features, FloatArray, Windows

_BATCH = 512
_EXTERNAL = b"\n\x08location"  # the key under which a tensor names a file outside the graph


def available() -> bool:
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


class GraphDetector:
    """A trained network as a detector; see `asdkit.api.Detector`. It cannot be fitted.

    Parameters
    ----------
    graph
        ONNX: windows [float32, ``[batch, frames, bands]``] as they are, to scores, ``[batch]`` or ``[batch, ids]``.
    frames
        Frames of a window.
    ids
        Of the columns.

    Raises
    ------
    ValueError
        If onnxruntime does not take it, or it does not give scores.
    """

    def __init__(self, graph: bytes, frames: int | Literal["clip"], ids: Sequence[str]) -> None:
        if frames == "clip" or _EXTERNAL in graph:
            raise ValueError("the graph is none that asdkit writes")
        self._graph, self._frames = graph, frames
        self._ids = list(ids)
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._try(self._session(1))

    def fit(self, training: object, ctx: Context) -> None:
        """Not possible."""
        raise NotImplementedError("a graph scores; it does not learn")

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        from asdkit.kernels import gather

        session = self._session(ctx.threads)
        name = session.get_inputs()[0].name
        own = np.array([self._ids.index(id_) if self._ids else 0 for id_ in ids], np.int64)[windows.clip_of()]
        scores = np.empty(len(windows), np.float32)
        buffer = np.empty((min(_BATCH, len(windows)), self._frames, features.bands), np.float32)
        for first in range(0, len(windows), _BATCH):
            if ctx.should_stop():
                raise Stopped("scoring was stopped")
            starts = windows.starts[first : first + _BATCH]
            batch = buffer[: len(starts)]
            gather(features.frames, starts, self._frames, batch)
            [made] = session.run(None, {name: batch})
            rows = slice(first, first + len(starts))
            scores[rows] = made if made.ndim == 1 else made[np.arange(len(made)), own[rows]]
        return scores

    def state(self) -> State:
        """The graph is its state; there is nothing else to keep."""
        raise NotImplementedError("a graph has no state apart from itself")

    def load(self, state: State) -> None:
        """Not possible."""
        raise NotImplementedError("a graph is given to the constructor")

    def _try(self, session: Any) -> None:
        """Score a window of zeros: NaN among the weights shows, and what was made for other windows or ids."""
        [windows] = session.get_inputs()
        if len(windows.shape) != 3 or windows.shape[1] != self._frames or not isinstance(windows.shape[2], int):
            raise ValueError(f"the graph takes {windows.shape}, not windows of {self._frames} frames")
        try:
            [made] = session.run(None, {windows.name: np.zeros((1, *windows.shape[1:]), np.float32)})
        except Exception as error:
            raise ValueError(f"onnxruntime cannot run the graph: {' '.join(str(error).split())[:200]}") from None
        if made.shape not in ((1,), (1, len(self._ids))) or not np.isfinite(made).all():
            raise ValueError("the graph gives no finite scores, or too many or few")

    def _session(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = session_of(self._graph, threads)
            return self._sessions[threads]


def session_of(graph: bytes, threads: int) -> Any:
    """Open a graph on the CPU.

    Raises
    ------
    ValueError
        If onnxruntime does not take it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # whatever is wrong is raised
    # Threads that wait at full speed take the cores from those that make features.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"onnxruntime does not take the graph: {' '.join(str(error).split())[:200]}") from None
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
        raise ValueError("the graph is none that asdkit writes")
    return session
