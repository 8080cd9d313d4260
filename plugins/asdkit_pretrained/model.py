"""A pretrained network: the graph and its description, checked against each other. Nothing of it is run here."""

from __future__ import annotations

import hashlib
from typing import Final

from asdkit.api import OnnxModel
from asdkit_pretrained.description import Description, read_description

MAX_NUMBERS: Final = 1 << 14
"""Numbers of an embedding, at most."""

_OTHERS: Final = (
    (b"PK\x03\x04", "a zip archive, such as a checkpoint of PyTorch"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1c\x00\x00\x00TFL3", "a TensorFlow Lite file"),
)


class PretrainedModel:
    """A graph whose digest, input and output are those that its description states.

    Parameters
    ----------
    graph, description
        Content of the ONNX file and of the TOML file.

    Attributes
    ----------
    about
        The description.
    graph
        The graph.
    numbers
        Numbers of an embedding.
    times
        Embeddings of a block.

    Raises
    ------
    ValueError
        If a file is refused: one line says which, and why.
    """

    def __init__(self, graph: bytes, description: bytes) -> None:
        try:
            self.about: Description = read_description(description)
        except ValueError as error:
            raise ValueError(f"the description {error}") from None
        digest = hashlib.sha256(graph).hexdigest()
        if digest != self.about.sha256:
            raise ValueError(f"the model's SHA-256 is {digest}, but its description states {self.about.sha256}")
        other = next((name for magic, name in _OTHERS if graph.startswith(magic)), None)
        if other is not None:
            raise ValueError(f"the model is {other}, not ONNX; `asdkit models convert` converts what asdkit knows")
        try:
            self.graph = OnnxModel(graph)
        except ValueError as error:
            raise ValueError(f"the model is refused: {error}") from None
        self._check_ends()
        *times, self.numbers = self.graph.output_shape
        self.times = times[0] if times else 1

    def _check_ends(self) -> None:
        """Require the input and output that the description states."""
        about, graph = self.about, self.graph
        if [n for n in graph.input_shape if n > 1] != [n for n in about.block_shape if n > 1]:
            raise ValueError(
                f"the model takes blocks of {list(graph.input_shape)}, but its description states "
                f"{list(about.block_shape)}"
            )
        if graph.output != about.output:
            raise ValueError(f"the model's output is {graph.output!r}, but its description states {about.output!r}")
        if len(graph.output_shape) not in (1, 2) or max(graph.output_shape) > MAX_NUMBERS:
            raise ValueError(
                f"the model gives {list(graph.output_shape)} for a block; expected [numbers] or [time, numbers], "
                f"at most {MAX_NUMBERS:,} each"
            )
