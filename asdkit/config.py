"""Options of plugins: pydantic models, whose checks and descriptions a spec, the documents and editors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Options of a plugin: a pydantic model, strict and frozen, unknown keys refused.

    From it come validation, ``asdkit plugins NAME`` and the documentation, so give each field a default and a
    ``Field(description=...)`` with unit and source.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class AugmenterConfig(Config):
    """Options of an augmenter, with what a spec must know of it before any work."""

    soft_targets: ClassVar[bool] = False
    """Whether its targets are blends of classes."""

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Names of the variants that it makes of each clip or window; each is a new class for each id."""
        return ()


@dataclass(frozen=True)
class JobOutline:
    """What is known of a job before any work: enough to find that its settings cannot go together.

    Attributes
    ----------
    frames
        Frames of a window, or ``"clip"``.
    augmenters
        Options of the detector's augmenters.
    ids
        How many ids the training clips have (1 for each detector under ``scope = "id"``); None while data are unknown.
    """

    frames: int | Literal["clip"]
    augmenters: tuple[AugmenterConfig, ...] = ()
    ids: int | None = None

    @property
    def classes(self) -> int | None:
        """Classes that a classifier tells apart: ids x (1 + all variants of all augmenters); None while unknown."""
        if self.ids is None:
            return None
        return self.ids * (1 + sum(len(augmenter.variant_names) for augmenter in self.augmenters))


class DetectorConfig(Config):
    """Options of a detector, with a check of what pydantic cannot see."""

    def problems(self, job: JobOutline) -> list[str]:
        """Why these options cannot work for such a job, one sentence each; empty where they can.

        Begin a sentence with the option at fault and a colon where there is one: ``"order: ..."``.
        """
        return []


class NetworkConfig(DetectorConfig):
    """Options that every detector that is a torch network shares; see `NetworkDetector`.

    An epoch's cost is that of ``windows_per_clip`` windows a clip, however much windows overlap. So that the same
    settings suit 10 clips and 1,000, an epoch has at least ``least_batches`` batches: those of a small set are smaller,
    down to a quarter of ``batch_size``, and a smaller set still is drawn from again and again.
    """

    epochs: int = Field(30, ge=1, description="passes over the training clips")
    windows_per_clip: int = Field(32, ge=1, description="windows drawn at random from each clip in an epoch")
    least_batches: int = Field(20, ge=1, description="batches that an epoch has at least, of small sets too")
    batch_size: int = Field(512, ge=2, description="windows in a step, at most (512: baseline of DCASE 2020 Task 2)")
    learning_rate: float = Field(1e-3, gt=0, description="peak rate of AdamW (1e-3: Adam's of the baseline)")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay of AdamW")
    validation: float = Field(
        0.0, ge=0, lt=1, description="share of training clips held out; the epoch best on them is kept (0: the last)"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of products in training; auto: bfloat16 where the hardware has it; scores are float32"
    )

    def problems(self, job: JobOutline) -> list[str]:
        """A network needs windows of one size."""
        return ['frames: a network needs a number of frames, not "clip"'] if job.frames == "clip" else []
