"""Plugins without implementations, for tests of specs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from asdkit.api import AugmenterConfig, Config, DetectorConfig, Entry, Field, JobOutline
from asdkit.layouts import asdkit_layouts
from asdkit.plugins import Kind, Plugin, Registry
from asdkit.spec import Spec

Load = Callable[..., Spec]
"""Load a text with any number of ``--set``."""
Faults = Callable[..., list[str]]
"""Load a text with any number of ``--set`` and return all faults."""

BASE = """asdkit = 1
[data]
layout = "folder"
root = "recordings"
[featurizers.logmel]
use = "log-mel"
"""


class LogMel(Config):
    n_mels: int = Field(128, ge=1)


class Mix(AugmenterConfig):
    soft_targets = True
    domain: Literal["log", "power"] = "log"


class Resample(AugmenterConfig):
    rates: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.9, 1.1), min_length=1)

    @property
    def variant_names(self) -> tuple[str, ...]:
        return tuple(f"{rate:g}" for rate in self.rates)


class GroupMade(DetectorConfig):
    hidden: int = Field(128, ge=1, le=4096)
    order: Literal["middle", "causal"] | tuple[tuple[int, ...], ...] = "middle"
    epochs: int = Field(50, ge=1)
    rate: float = Field(1e-3, gt=0)
    power: Literal[1, 2] = 2
    shuffle: bool = True
    note: str = ""

    def problems(self, job: JobOutline) -> list[str]:
        if self.order == "middle" and isinstance(job.frames, int) and job.frames % 2 == 0:
            return [f"order: an even number of frames ({job.frames}) has no middle"]
        return []


class Layer(Config):
    width: int = Field(description="units of the layer")
    bias: bool = True


class Classifier(DetectorConfig):
    loss: Literal["cross-entropy", "arcface"] = "cross-entropy"
    layers: tuple[Layer, ...] = ()

    def problems(self, job: JobOutline) -> list[str]:
        problems = []
        if self.loss == "arcface" and any(augmenter.soft_targets for augmenter in job.augmenters):
            problems.append("loss: arcface takes no soft targets")
        if job.classes == 1:
            problems.append("one id and no augmenter that adds classes: nothing to classify")
        return problems


class Needy(DetectorConfig):
    width: int = Field(description="a width")


class Fragile(DetectorConfig):
    def problems(self, job: JobOutline) -> list[str]:
        raise RuntimeError("oh no")


class ZScore(Config):
    combine: Literal["mean", "max"] = "mean"


def plugin(kind: Kind, name: str, config: type[Config], **more: object) -> Plugin:
    entry = Entry(name, config, "nowhere:Nothing", **more)  # type: ignore[arg-type]
    return Plugin(kind, name, "ok", "fakes", "1.0", "fakes", entry)


def fake_registry() -> Registry:
    return Registry(
        [
            plugin("featurizer", "log-mel", LogMel),
            plugin("augmenter", "mix", Mix),
            plugin("augmenter", "resample", Resample),
            plugin("detector", "group-made", GroupMade),
            plugin("detector", "id-classifier", Classifier, defaults={"frames": 64, "hop": 8}),
            plugin("detector", "needy", Needy),
            plugin("detector", "fragile", Fragile),
            plugin("detector", "misled", GroupMade, defaults={"frames": 0}),
            plugin("fuser", "z-score", ZScore),
            *(Plugin("layout", entry.name, "ok", "fakes", "1.0", "fakes", entry) for entry in asdkit_layouts()),
            Plugin(
                "detector", "rotten", "broken", "asdkit-rotten", "0.1", "rotten", cause="ImportError: no such thing"
            ),
        ]
    )
