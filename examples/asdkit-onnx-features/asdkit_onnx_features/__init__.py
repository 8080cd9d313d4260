"""The output of an ONNX network as features: options and hook."""

from asdkit.api import Config, Entry, Field, FilePath, hookimpl


class OnnxFeaturesConfig(Config):
    """A network from ``[batch, block]`` float32 samples to ``[batch, numbers]`` float32."""

    model: FilePath = Field(description="the network, an ONNX file; relative to the spec")
    block: int = Field(16_000, ge=16, le=2**20, description="samples that the network gets (1 s at 16 kHz)")
    hop: int = Field(8_000, ge=16, le=2**20, description="samples from one block to the next")


@hookimpl
def asdkit_featurizers():
    target = "asdkit_onnx_features.featurizer:OnnxFeatures"
    return [Entry("onnx-features", OnnxFeaturesConfig, target, "Output of an ONNX network.", api_version=2)]
