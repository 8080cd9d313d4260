"""The featurizer ``onnx-embedding``."""

from asdkit.api import Entry, hookimpl
from asdkit_pretrained.config import OnnxEmbeddingConfig


@hookimpl
def asdkit_featurizers() -> list[Entry]:
    """Register the featurizer ``onnx-embedding``."""
    return [
        Entry(
            "onnx-embedding",
            OnnxEmbeddingConfig,
            "asdkit_pretrained.featurizer:OnnxEmbedding",
            summary="Embeddings of a pretrained network in a local ONNX file, by onnxruntime.",
            api_version=2,
        )
    ]
