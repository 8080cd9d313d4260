"""The featurizer ``onnx-embedding``."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from asdkit.api import AsdkitError, FloatArray, Wave, resample, resampled_length
from asdkit_pretrained.blocks import block_count, blocks
from asdkit_pretrained.config import OnnxEmbeddingConfig
from asdkit_pretrained.description import LogMel
from asdkit_pretrained.model import PretrainedModel
from asdkit_pretrained.pooling import pool


class OnnxEmbedding:
    """Embeddings of blocks of a wave by a pretrained network, or their poolings over the wave.

    The network runs on the CPU, one clip at a time on each thread, so an embedding does not depend on other clips.
    """

    scale: Literal["linear"] = "linear"

    def __init__(self, config: OnnxEmbeddingConfig) -> None:
        self.config = config

    @cached_property
    def model(self) -> PretrainedModel:
        """The network, checked; onnxruntime loads it when it is first run."""
        assert self.config.description is not None
        return PretrainedModel(self.config.model.read(), self.config.description.read())

    @property
    def bands(self) -> int:
        """Numbers of a row."""
        return self.model.numbers * max(1, len(self.config.pooling))

    @property
    def hop(self) -> int | None:
        """Samples from one row to the next, where a row depends on samples nearby alone; else None."""
        given = self.model.about.input
        rate = self.config.input_rate or self.model.about.sample_rate
        peak = isinstance(given, LogMel) and given.level == "peak"
        if self.config.pooling or self.model.times > 1 or peak or rate != self.model.about.sample_rate:
            return None
        return given.hop * (given.hop_length if isinstance(given, LogMel) else 1)

    @property
    def reach(self) -> int | None:
        """Samples around the begin of a row's block that the row depends on at most."""
        given = self.model.about.input
        if self.hop is None:
            return None
        return given.block * given.hop_length + given.n_fft if isinstance(given, LogMel) else given.block

    def rows(self, n_samples: int) -> int:
        """How many rows a wave of `n_samples` samples gives."""
        if self.config.pooling:
            return 1
        about = self.model.about
        rate = self.config.input_rate or about.sample_rate
        return self.model.times * block_count(about, resampled_length(n_samples, rate, about.sample_rate))

    def fill(self, wave: Wave, sample_rate: int, out: FloatArray) -> None:
        """Write the rows of `wave` [float32 or int16, ``[samples]``] into `out` [float32, ``[rows, bands]``]."""
        about = self.model.about
        expected = self.config.input_rate or about.sample_rate
        if sample_rate != expected:
            raise AsdkitError(
                f"{self.config.model.name}: waves of {sample_rate} Hz, but {expected} were expected",
                hint=f"Set data.sample_rate = {expected}, or input_rate = {sample_rate} in its table, so that "
                f"waves are resampled to {about.sample_rate} Hz.",
            )
        if sample_rate != about.sample_rate:
            wave = resample(wave, sample_rate, about.sample_rate)
        graph = self.model.graph
        found = [
            graph.run(batch.reshape(len(batch), *graph.input_shape)).reshape(-1, self.model.numbers)
            for batch in blocks(about, wave, graph.batch)
        ]
        embeddings = np.concatenate(found)
        config = self.config
        if config.pooling:
            out[0] = pool(embeddings, config.pooling, gem_power=config.gem_power, rdp_gamma=config.rdp_gamma)
        else:
            out[:] = embeddings
