"""The one module that a plugin imports: contracts, markers and helpers.

A plugin is an installed package with an entry point in the group ``asdkit``. The module it names implements one
or more of four hooks, each of which returns a list of `Entry`::

    from asdkit.api import Entry, hookimpl
    from .config import KnnConfig                      # light: no torch, no numba

    @hookimpl
    def asdkit_detectors():
        return [Entry("knn", KnnConfig, "asdkit_knn.detector:Knn", summary="Distance to the nearest window.")]

The module is imported to list plugins, so it must stay light; the class is imported when a job needs it. Plugins
never print, choose files, seed global generators or pick a device: `Context` brings what they need, the core
does all writing, and ``warnings.warn(message, AsdkitWarning)`` says what a person should know of the result.

Importing this module imports nothing heavy: kernels and the training loop load on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pluggy
from pydantic import BaseModel, ConfigDict, Field

from asdkit.audio import Wave
from asdkit.context import Context, Scalar, State, StateValue
from asdkit.errors import AsdkitError, AsdkitWarning, NotFitted, Stopped
from asdkit.features import Features, FloatArray, IntArray, Windows, cut_windows
from asdkit.kernels.framing import frame_count
from asdkit.sampling import Training

if TYPE_CHECKING:
    from asdkit.kernels import gather, log_mel
    from asdkit.kernels.compiling import kernel
    from asdkit.training import NetworkDetector, WindowNetwork

__all__ = [
    "API_VERSION",
    "AsdkitError",
    "AsdkitWarning",
    "AugmenterConfig",
    "Config",
    "Context",
    "Detector",
    "DetectorConfig",
    "Entry",
    "Features",
    "Featurizer",
    "Field",
    "FloatArray",
    "Fuser",
    "IntArray",
    "JobOutline",
    "NetworkConfig",
    "NetworkDetector",
    "NotFitted",
    "Scalar",
    "State",
    "StateValue",
    "Stopped",
    "Training",
    "Wave",
    "WaveAugmenter",
    "WindowAugmenter",
    "WindowNetwork",
    "Windows",
    "cut_windows",
    "frame_count",
    "gather",
    "hookimpl",
    "kernel",
    "log_mel",
]

PROJECT = "asdkit"
API_VERSION = 1

hookimpl = pluggy.HookimplMarker(PROJECT)

_LAZY = {
    "kernel": "asdkit.kernels.compiling",
    "log_mel": "asdkit.kernels",
    "gather": "asdkit.kernels",
    "NetworkDetector": "asdkit.training",
    "WindowNetwork": "asdkit.training",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = globals()[name] = getattr(import_module(_LAZY[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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


@dataclass(frozen=True)
class Entry:
    """One plugin: its name, options, and class.

    Attributes
    ----------
    name
        What ``use`` says in a spec: lower case, digits and hyphens.
    config
        Its options, a subclass of `Config`.
    target
        ``"package.module:Class"``, imported when first needed, or the class itself.
    summary
        One line for ``asdkit plugins``.
    defaults
        For detectors: defaults of the keys that the core reads, such as ``{"frames": 64, "hop": 8}``.
    api_version
        The `API_VERSION` it was written for; 1 where it does not say.
    """

    name: str
    config: type[Config]
    target: str | Callable[..., Any]
    summary: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    api_version: int = 1

    def load(self) -> Callable[..., Any]:
        """Import the class."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(module), name)
        return loaded


class Featurizer(Protocol):
    """Turns a wave into frames. Made as ``Class(config)``; has no state."""

    bands: int
    """Numbers in a frame."""
    scale: Literal["db", "power"]
    """What the numbers are: decibels or power."""

    def rows(self, n_samples: int) -> int:
        """How many frames a wave of `n_samples` samples gives."""
        ...

    def fill(self, wave: Wave, sample_rate: int, out: FloatArray) -> None:
        """Write the frames of `wave` into `out`.

        May run in several threads at once, each with its own `out`; release the GIL where possible.

        Parameters
        ----------
        wave
            [float32 or int16, ``[samples]``] Mono; int16 means sample / 32768.
        sample_rate
            Samples a second.
        out
            [float32, ``[rows(len(wave)), bands]``, C-contiguous] Rows of the packed matrix.
        """
        ...


class WaveAugmenter(Protocol):
    """Makes fixed variants of each training clip's wave; each variant of an id is a new class. ``Class(config)``."""

    kind: Literal["wave"]

    def samples(self, n_samples: int, variant: int) -> int:
        """Length of the wave that `vary` makes of one of `n_samples` samples."""
        ...

    def vary(self, wave: Wave, sample_rate: int, variant: int) -> Wave:
        """Make variant number `variant` (an index into the config's ``variant_names``) of `wave`."""
        ...


class WindowAugmenter(Protocol):
    """Changes windows as they are drawn for training. Made as ``Class(config)``."""

    kind: Literal["window"]

    def transform(
        self, windows: FloatArray, targets: FloatArray, rng: np.random.Generator, variant: int
    ) -> tuple[FloatArray, FloatArray]:
        """Change a batch; all randomness comes from `rng`.

        Parameters
        ----------
        windows
            [float32, ``[batch, frames, bands]``] In decibels; may be changed in place.
        targets
            [float32, ``[batch, classes]``] One-hot at the window's id; real ids come first. For an augmenter with
            variants the core sets the targets afterwards.
        rng
            The only source of randomness.
        variant
            Which of the config's ``variant_names`` to make; 0 where there are none.

        Returns
        -------
        windows, targets
            Of the same shapes and dtypes.
        """
        ...


class Detector(Protocol):
    """Learns from normal windows and scores others. Made as ``Class(config)``, which only stores."""

    def fit(self, training: Training, ctx: Context) -> None:
        """Learn from training clips alone (all normal); forgets what an earlier ``fit`` learnt.

        Raises
        ------
        Stopped
            Soon after ``ctx.should_stop()`` says so.
        """
        ...

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows: higher is more anomalous.

        A score depends on the window, its clip's id and what was learnt; never on other clips.

        Parameters
        ----------
        features, windows
            Clips to score, and their windows.
        ids
            Machine id of each clip. One that was not in training gets the best (lowest) score over the known ids.

        Returns
        -------
        scores
            [float32, ``[windows]``] Finite.

        Raises
        ------
        NotFitted
            Before ``fit`` or ``load``.
        """
        ...

    def state(self) -> State:
        """What was learnt: a flat dict of arrays, numbers (all finite, or no bundle takes it), texts, lists of texts.

        Raises
        ------
        NotFitted
            Before ``fit`` or ``load``.
        """
        ...

    def load(self, state: State) -> None:
        """Take back what `state` gave, perhaps in another process: scores are the same bit for bit."""
        ...


class Fuser(Protocol):
    """Combines the clip scores of several detectors. Made as ``Class(config)``."""

    def fit(self, train_scores: npt.NDArray[np.float64], ids: Sequence[str]) -> None:
        """Learn from training clips how each member's scores are distributed.

        Parameters
        ----------
        train_scores
            [float64, ``[clips, members]``] Clip scores of training clips.
        ids
            Machine id of each clip.
        """
        ...

    def fuse(self, scores: npt.NDArray[np.float64], ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Fuse [float64, ``[clips, members]``] into [float64, ``[clips]``]; each clip on its own."""
        ...

    def state(self) -> State:
        """What was learnt, as in `Detector.state`."""
        ...

    def load(self, state: State) -> None:
        """Take back what `state` gave."""
        ...
