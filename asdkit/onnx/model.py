"""Run ONNX graphs by onnxruntime, on the CPU and from memory.

onnxruntime loads only what `check_graph` accepts. One call takes so few elements that it ends within seconds.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from asdkit.errors import AsdkitError
from asdkit.onnx.graph import Value
from asdkit.onnx.limits import check_graph, require_batches
from asdkit.text import error_message

FloatArray = npt.NDArray[np.float32]


def is_available() -> bool:
    """Return whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


class OnnxModel:
    """An ONNX graph that was checked; onnxruntime loads it when it is first run.

    The checks use NumPy only. They refuse external data, nested graphs, functions, metadata, operators that are not
    permitted, and graphs that take too much memory or time.

    Parameters
    ----------
    graph
        ONNX model with one input and one output [float32], whose first dimension is the batch, of any size.
    check_ends
        Other checks of input and output, which raise ValueError.

    Attributes
    ----------
    batch
        Elements of the batch in one call of `run`, at most.
    input_shape, output_shape
        Shapes of one element of the batch.
    output
        Name of the output.

    Raises
    ------
    ValueError
        If the graph is refused; says why.

    Examples
    --------
    >>> from asdkit.api import OnnxModel
    >>> OnnxModel(b"no graph")
    Traceback (most recent call last):
    ...
    ValueError: it has a field of the number 13, which graphs of asdkit do not have
    """

    def __init__(self, graph: bytes, check_ends: Callable[[Value, Value], None] | None = None) -> None:
        plan = check_graph(graph, check_ends or require_batches)
        self.batch, self.output = plan.batch, plan.output
        self.input_shape, self.output_shape = plan.inputs, plan.outputs
        self._graph = graph
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    def run(self, inputs: FloatArray, threads: int = 1) -> FloatArray:
        """Return the output for one batch; several threads may call this at once.

        Parameters
        ----------
        inputs
            [float32, ``[batch, *input_shape]``]
        threads
            Threads of the CPU.

        Returns
        -------
        outputs
            [float32, ``[batch, *output_shape]``]

        Raises
        ------
        AsdkitError
            If onnxruntime is not installed.
        ValueError
            If onnxruntime cannot load or run the graph, or the output has another shape.
        """
        session = self._session(threads)
        try:
            [outputs] = session.run(None, {session.get_inputs()[0].name: inputs})
        except Exception as error:
            raise ValueError(f"onnxruntime cannot run the graph: {error_message(error, 200)}") from None
        expected = (len(inputs), *self.output_shape)
        if outputs.shape != expected:
            raise ValueError(f"the graph returns an output of the wrong shape, {outputs.shape} instead of {expected}")
        found: FloatArray = outputs
        return found

    def _session(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._sessions:
                self._sessions = {threads: _open_session(self._graph, threads)}  # one: each holds the weights
            return self._sessions[threads]


def _open_session(graph: bytes, threads: int) -> Any:
    """Load a graph that was checked, on the CPU."""
    try:
        import onnxruntime
    except ImportError:
        raise AsdkitError(
            "an ONNX graph needs onnxruntime, which is not installed here", hint="pip install 'asdkit[onnx]'"
        ) from None

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
