"""ONNX graphs: read strictly, checked before they are opened, run by onnxruntime from memory.

- `graph`: the records of a graph, read by its own strict reader
- `shapes`, `layers`: the operators that a graph may use, and the shapes of what they compute
- `limits`: `check_graph`: what a graph may cost in memory and time
- `model`: `OnnxModel`: a graph that was checked, run by onnxruntime
- `export`: `export_onnx`: torch modules as graphs
"""

from asdkit.onnx.limits import LARGEST_BATCH, Plan, check_graph
from asdkit.onnx.model import OnnxModel, is_available

__all__ = ["LARGEST_BATCH", "OnnxModel", "Plan", "check_graph", "is_available"]
