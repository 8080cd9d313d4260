"""Options of plugins: pydantic models that give validation, documentation and the JSON schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

_SMALLEST_BATCH = 4  # a small set has batches of at least this fraction of the configured size
# What `NetworkConfig.network_cost` counts with; ``python -m tests.robustness estimates`` compares it with measurements.
_BUFFERS = 5  # batches in memory: the one in use, and those gathered ahead
_TORCH = 200 << 20  # bytes of its libraries
_WEIGHT_BYTES = 40  # weight, gradient and two moments in training; three of them copied and encoded for a checkpoint
_INDEX_BYTES = 80  # of a window sampled for an epoch: its row, class, transform and place, sorted copies included
_STEP = 5e7  # operations in the time that a training step takes besides its products
_UPDATE = 100  # operations in the time that AdamW takes for a weight, gradient clipping included
_SAVE = 400  # operations in the time that a checkpoint takes for a weight


Scale = Literal["db", "power", "linear"]
"""What the numbers of frames are: decibels, powers, or anything else (an embedding, samples, cepstra)."""


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

    def rate_problems(self, sample_rate: int) -> list[str]:
        """Return why these options cannot work with waves of a sample rate [Hz], one sentence each; by default none.

        For what pydantic cannot check, because a spec has the rate in ``[data]``. Begin a sentence with the option at
        fault and a colon where there is one: ``"fmax: ..."``.
        """
        return []


class _ScaledConfig(Config):
    """Options of a plugin that gets frames."""

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power")
    """Scales of frames that it accepts. A featurizer of another one is refused before any work."""

    def scale_problem(self, scale: Scale) -> str:
        """Return why these options do not accept frames of a scale; empty if they do.

        Override it where that depends on the options; begin with the option at fault and a colon.
        """
        if scale in self.scales:
            return ""
        return f"accepts only {' or '.join(self.scales)}"


class AugmenterConfig(_ScaledConfig):
    """Options of an augmenter, with what a spec must know of it before any work."""

    soft_targets: ClassVar[bool] = False
    """Whether its targets are mixtures of classes."""

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Names of the variants of each clip or window; each variant of an id is a class of its own."""
        return ()

    @property
    def added_length(self) -> float | None:
        """Length of all wave variants of a clip together, in lengths of the clip; 0 for an augmenter of windows.

        `asdkit check` estimates the features' memory from it. None: not stated; the estimate is then a lower bound.
        """
        return None if self.variant_names else 0.0


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


@dataclass(frozen=True)
class JobSize:
    """Size of one fit and of the scoring after it: what a detector's cost depends on besides its options.

    Attributes
    ----------
    frames
        Frames of a window; under ``frames = "clip"`` the mean number of frames of a training clip.
    bands
        Numbers of a frame.
    ids, classes
        Ids of the training clips, and classes of a classifier, as `JobOutline.classes`.
    clips, windows
        Training clips without copies by augmenters, and their windows.
    scored
        Windows to score: those of the training clips, the clips held out and the test clips.
    """

    frames: int
    bands: int
    ids: int
    classes: int
    clips: int
    windows: int
    scored: int


@dataclass(frozen=True)
class Cost:
    """What a fit and the scoring after it need beside the features: an order of magnitude.

    Attributes
    ----------
    memory
        Bytes at the peak, in parts; the key of each is the option that it grows with most, ``""`` where there is none.
    operations
        Floating-point operations; what takes longer for other reasons counts as more of them.
    """

    memory: Mapping[str, float]
    operations: float


class DetectorConfig(_ScaledConfig):
    """Options of a detector, with a check of what pydantic cannot express, and an estimate of its cost."""

    def problems(self, job: JobOutline) -> list[str]:
        """Return why these options cannot work for such a job, one sentence each; an empty list if they can.

        Begin a sentence with the option at fault and a colon where there is one: ``"order: ..."``.
        """
        return []

    def cost(self, size: JobSize) -> Cost | None:
        """Estimate the cost of a fit of this size and of the scoring after it; None: not known.

        Optional. Compute it from numbers alone: no list whose length is an option, no heavy import. A job whose
        estimate is beyond the machine is refused before any work.
        """
        return None


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

    def batch(self, windows: int) -> int:
        """Return the number of windows of a step, where one pass over the training clips samples `windows`."""
        smallest = max(2, self.batch_size // _SMALLEST_BATCH)
        return min(max(windows // self.least_batches, smallest), self.batch_size)

    def network_cost(
        self, size: JobSize, *, weights: Mapping[str, float], activations: float, operations: float
    ) -> Cost:
        """Return the cost of training and scoring a network, for `cost`.

        Parameters
        ----------
        size
            Size of the job.
        weights
            Number of weights, in parts by the option that each grows with most.
        activations
            Numbers that a window keeps for the gradient.
        operations
            Floating-point operations of a window's forward pass.

        Examples
        --------
        >>> from asdkit.api import JobSize, NetworkConfig
        >>> size = JobSize(frames=5, bands=128, ids=4, classes=4, clips=100, windows=30_900, scored=60_000)
        >>> cost = NetworkConfig().network_cost(size, weights={"hidden": 1e6}, activations=1e3, operations=2e6)
        >>> round(cost.memory["hidden"] / 1e6), cost.operations > 2e6 * size.scored
        (40, True)
        """
        one_pass = min(size.windows, size.clips * self.windows_per_clip)
        batch = self.batch(one_pass)
        epoch = max(one_pass, self.least_batches * batch)
        total = sum(weights.values())
        window = _BUFFERS * (size.frames * size.bands + size.classes)
        memory = {"": float(_TORCH)} | {option: float(_WEIGHT_BYTES * number) for option, number in weights.items()}
        largest = max(batch, min(self.batch_size, size.scored))
        memory["batch_size"] = 4.0 * (batch * 2 * activations + largest * window) + _INDEX_BYTES * batch
        memory["least_batches"] = float(_INDEX_BYTES * epoch)
        steps = self.epochs * epoch / batch
        trained = 3 * operations * self.epochs * epoch + steps * (_STEP + _UPDATE * total)
        return Cost(memory, trained + self.epochs * _SAVE * total + operations * (size.scored + size.windows))
