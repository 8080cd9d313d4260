"""Options of plugins: pydantic models that give validation, documentation and the JSON schema for editors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Options of a plugin: a strict, frozen pydantic model that refuses unknown keys.

    Validation, ``asdkit plugins NAME`` and the documentation are derived from it, so give each field a default and a
    ``Field(description=...)`` with unit and source.

    Examples
    --------
    >>> from asdkit.api import Config, Field
    >>> class KnnConfig(Config):
    ...     neighbours: int = Field(1, ge=1, description="number of nearest windows")
    >>> KnnConfig(neighbours=3)
    KnnConfig(neighbours=3)
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class AugmenterConfig(Config):
    """Options of an augmenter, with what a spec must know of it before any work."""

    soft_targets: ClassVar[bool] = False
    """Whether its targets are mixtures of classes."""

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Names of the variants of each clip or window; each variant of an id is a class of its own."""
        return ()


@dataclass(frozen=True)
class JobOutline:
    """What is known of a job before any work: enough to find options that cannot work together.

    Attributes
    ----------
    frames
        Frames of a window, or ``"clip"``.
    augmenters
        Options of the detector's augmenters.
    ids
        Number of ids of the training clips (1 for each detector under ``scope = "id"``); None before the data are
        scanned.

    Examples
    --------
    >>> from asdkit.api import JobOutline
    >>> JobOutline(frames=64, ids=4).classes
    4
    """

    frames: int | Literal["clip"]
    augmenters: tuple[AugmenterConfig, ...] = ()
    ids: int | None = None

    @property
    def classes(self) -> int | None:
        """Number of classes of a classifier: ids x (1 + all variants of all augmenters); None if `ids` is None."""
        if self.ids is None:
            return None
        return self.ids * (1 + sum(len(augmenter.variant_names) for augmenter in self.augmenters))


class DetectorConfig(Config):
    """Options of a detector, with a check of what pydantic cannot express."""

    def problems(self, job: JobOutline) -> list[str]:
        """Return why these options cannot work for such a job, one sentence each; an empty list if they can.

        Begin a sentence with the option at fault and a colon where there is one: ``"order: ..."``.
        """
        return []


class NetworkConfig(DetectorConfig):
    """Options that all detectors with a torch network share; see `NetworkDetector`.

    An epoch samples ``windows_per_clip`` windows of each clip, however much windows overlap. So that the same options
    suit 10 clips and 1,000, an epoch has at least ``least_batches`` batches: for a small set the batches are smaller,
    down to a quarter of ``batch_size``, and for a smaller set still the clips are sampled repeatedly.
    """

    epochs: int = Field(30, ge=1, description="passes over the training clips")
    windows_per_clip: int = Field(32, ge=1, description="windows sampled at random from each clip in an epoch")
    least_batches: int = Field(20, ge=1, description="least number of batches in an epoch, also for small sets")
    batch_size: int = Field(512, ge=2, description="windows in a step, at most (512: baseline of DCASE 2020 Task 2)")
    learning_rate: float = Field(1e-3, gt=0, description="peak rate of AdamW (1e-3: Adam's of the baseline)")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay of AdamW")
    validation: float = Field(
        0.0, ge=0, lt=1, description="share of training clips for validation; the best epoch is kept (0: the last)"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of products in training; auto: bfloat16 where the hardware has it; scores are float32"
    )

    def problems(self, job: JobOutline) -> list[str]:
        """Refuse ``frames = "clip"``: a network needs windows of one size."""
        return ['frames: a network needs a number of frames, not "clip"'] if job.frames == "clip" else []
