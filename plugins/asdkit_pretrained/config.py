"""Options of ``onnx-embedding``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePath
from typing import Any

from pydantic import model_validator

from asdkit.api import Config, Field, FilePath
from asdkit_pretrained.pooling import Pooling


class OnnxEmbeddingConfig(Config):
    """Embeddings of a pretrained network in a local file (docs/pretrained.md)."""

    model: FilePath = Field(description="the network: an ONNX file, such as `asdkit models convert` writes")
    description: FilePath | None = Field(
        None, description="its description; none: the TOML file beside it, of the same name"
    )
    input_rate: int | None = Field(
        None,
        ge=1000,
        le=768_000,
        description="Hz of the waves where it is not the model's: they are then resampled to the model's rate",
    )
    pooling: list[Pooling] = Field(
        [], description="mean, max, gem, rdp over a clip, joined: one row a clip; default: a row for each embedding"
    )
    gem_power: float = Field(3.0, ge=1, le=100, description="exponent p of gem (3 beside rdp, about 6 alone)")
    rdp_gamma: float = Field(9.0, ge=0, le=100, description="exponent gamma of rdp (16 for BEATs, 20 for Dasheng)")

    @model_validator(mode="before")
    @classmethod
    def _description_beside(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("description") is not None:
            return values
        model = values.get("model")
        name = model.name if isinstance(model, FilePath) else model
        if not isinstance(name, str) or not PurePath(name).name:
            return values
        return {**values, "description": str(PurePath(name).with_suffix(".toml"))}

    @model_validator(mode="after")
    def _checked(self) -> OnnxEmbeddingConfig:
        from asdkit_pretrained.model import PretrainedModel

        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("pooling names an equation twice")
        if self.description is None:
            raise ValueError("description is needed")
        if find_spec("onnxruntime") is None:
            raise ValueError("onnxruntime, which runs the model, is not installed; pip install 'asdkit[onnx]'")
        try:
            PretrainedModel(self.model.read(), self.description.read())
        except ValueError as error:
            raise ValueError(f"{self.model.name}: {error}") from None
        return self

    def rate_problems(self, sample_rate: int) -> list[str]:
        """Refuse waves of another rate than the model's, unless they are to be resampled."""
        from asdkit_pretrained.description import read_description

        assert self.description is not None
        rate = read_description(self.description.read()).sample_rate
        if sample_rate == (self.input_rate or rate):
            return []
        if self.input_rate is not None:
            return [f"input_rate: {self.input_rate} Hz, but data.sample_rate is {sample_rate}"]
        return [
            f"model: it takes {rate} Hz, but data.sample_rate is {sample_rate}; set that to {rate}, or here "
            f"input_rate = {sample_rate}, so that waves are resampled"
        ]
