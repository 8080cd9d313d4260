"""The base class of detectors that are torch networks; a plugin adds the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from asdkit.config import NetworkConfig
from asdkit.context import Context, State, WithoutCheckpoints
from asdkit.errors import DataError, NotFitted, Stopped
from asdkit.features import Features, FloatArray, IntArray, Windows
from asdkit.interfaces import Training
from asdkit.training.batches import WindowSource, batches_on
from asdkit.training.network import WindowNetwork, fold_batch_norm, load_network, to_state
from asdkit.training.sampling import EpochSample, split_validation
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import torch_environment
from asdkit.training.trainer import Trainer


class NetworkDetector:
    """A detector that is a torch network over standardised windows, trained by gradient descent.

    A plugin subclasses it and builds the network. Everything else of `asdkit.api.Detector` is here: batches,
    augmentation, checkpoints, the device, scoring, state.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self._trained: _Trained | None = None

    @property
    def standardize_per_id(self) -> bool:
        """Whether bands are standardised about the mean of their id instead of the machine's."""
        return self.about_own_mean

    @property
    def about_own_mean(self) -> bool:
        """The name of `standardize_per_id` in API 1."""
        return False

    @property
    def less_level(self) -> bool:
        """Whether the mean of each window over its frames and bands is subtracted before standardisation."""
        return False

    def build(self, frames: int, bands: int, classes: int) -> WindowNetwork:
        """Build the network with initial weights for windows of `frames` x `bands`.

        The first classes are the real ids; there are more where augmenters add classes.
        """
        raise NotImplementedError

    def fit(self, training: Training, ctx: Context) -> None:
        """Train on training clips; see `asdkit.api.Detector`."""
        train_clips, validation_clips = split_validation(training, self.config.validation, ctx.rng("hold out"))
        self._fit(training, train_clips, validation_clips, ctx)

    def fit_without(self, share: float, training: Training, ctx: Context) -> IntArray:
        """Train without a share of each id's clips, to judge by them; return these clips [int64].

        Checkpoints are neither read nor written: those of `ctx` belong to `fit`. An id with one clip keeps it.
        """
        train_clips, left_out = split_validation(training, share, ctx.rng("leave out"))
        self._fit(training, train_clips, np.empty(0, np.int64), WithoutCheckpoints(ctx))
        return left_out

    def _fit(self, training: Training, train_clips: IntArray, validation_clips: IntArray, ctx: Context) -> None:
        self._trained = None
        frames, classes = training.windows.frames, len(training.class_names)
        if frames == "clip":
            raise ValueError("a network needs windows of a fixed number of frames")
        if not len(train_clips):
            raise DataError(f"no training clip is as long as a window of {frames} frames", hint="Use fewer frames.")
        ids = training.classes[: training.real] if self.standardize_per_id else None
        standardizer = Standardizer.fit(training.features, train_clips, ids, self.less_level)
        with torch_environment(ctx, "network") as device:
            network = self.build(frames, training.features.bands, classes).to(device)
            trainer = Trainer(network, training, train_clips, validation_clips, standardizer, self.config, ctx)
            trainer.run()
            trainer.finalize()
        network.cpu().eval()
        self._trained = _Trained(network, standardizer, list(training.real_ids), frames, classes)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        return self.of_windows(lambda network, batch: network.score(batch), features, windows, ids, ctx)

    def of_windows(
        self,
        compute: Callable[[WindowNetwork, torch.Tensor], torch.Tensor],
        features: Features,
        windows: Windows,
        ids: Sequence[str],
        ctx: Context,
    ) -> FloatArray:
        """Compute a number of each window [float32, ``[windows]``] by the trained network.

        Parameters
        ----------
        compute
            From the network in evaluation mode and a batch of standardised windows [float32, ``[batch, frames,
            bands]``] to numbers ``[batch]``, or ``[batch, ids]``: then that of the clip's own id is taken.
        features, windows, ids, ctx
            As for `score`.
        """
        trained = self._require_trained()
        assert windows.frames == trained.frames
        columns = np.array([trained.ids.index(id_) for id_ in ids], np.int64)[windows.clip_of()]
        source = WindowSource(features, trained.frames, max(1, len(trained.ids)), trained.standardizer, [])
        sample = EpochSample.plain(windows.starts, columns, self.config.batch_size)
        with torch_environment(ctx, "scoring") as device, torch.inference_mode():
            network = trained.folded.to(device)
            column = torch.from_numpy(columns).to(device)
            scores = torch.empty(len(windows), device=device)
            first = 0
            for batch in batches_on(device, source, sample.batch_size, ctx.threads).epoch(sample, 0, 0):
                if ctx.should_stop():
                    raise Stopped("scoring was stopped")
                rows = slice(first, first + len(batch.windows))
                scores[rows] = _own_column(compute(network, batch.windows), column[rows])
                first = rows.stop
            result: FloatArray = scores.cpu().numpy().copy()
        return result

    @property
    def real_ids(self) -> tuple[str, ...]:
        """Ids of the training clips, sorted: the columns of `WindowNetwork.score`."""
        return tuple(self._require_trained().ids)

    def scoring_module(self) -> ScoringModule:
        """Return a copy of the trained network as one module in evaluation mode, for export to ONNX."""
        trained = self._require_trained()
        return ScoringModule(fold_batch_norm(trained.network), trained.standardizer, trained.ids).eval()

    def state(self) -> State:
        """Return the trained state; see `asdkit.api.Detector`."""
        trained = self._require_trained()
        state: State = {"frames": trained.frames, "classes": trained.classes, "ids": list(trained.ids)}
        state |= {"standard.mean": trained.standardizer.mean, "standard.scale": trained.standardizer.scale}
        if trained.standardizer.less_level:
            state["standard.less_level"] = True
        return state | to_state("network.", trained.network.state_dict())

    def load(self, state: State) -> None:
        """Restore what `state` returned; see `asdkit.api.Detector`."""
        mean, scale, ids = state["standard.mean"], state["standard.scale"], state["ids"]
        assert isinstance(mean, np.ndarray)
        assert isinstance(scale, np.ndarray)
        assert isinstance(ids, list)
        standardizer = Standardizer(mean, scale, bool(state.get("standard.less_level", False)))
        frames, classes = int(str(state["frames"])), int(str(state["classes"]))
        with torch.random.fork_rng(devices=[]):
            network = self.build(frames, mean.shape[1], classes)
        load_network(network, "network.", state)
        self._trained = _Trained(network.eval(), standardizer, list(ids), frames, classes)

    def _require_trained(self) -> _Trained:
        if self._trained is None:
            raise NotFitted("a detector must be fitted or loaded before it can score")
        return self._trained


class ScoringModule(nn.Module):
    """A trained network with its standardisation, from windows to scores; it can be exported as a graph.

    Attributes
    ----------
    ids
        Ids of the columns where it returns ``[batch, ids]`` instead of ``[batch]``.
    """

    def __init__(self, network: WindowNetwork, standardizer: Standardizer, ids: Sequence[str]) -> None:
        super().__init__()
        self.network, self.ids = network, list(ids)
        self.less_level = standardizer.less_level
        self.mean, self.scale = torch.from_numpy(standardizer.mean), torch.from_numpy(standardizer.scale)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Score windows [float32, ``[batch, frames, bands]``]."""
        ids = len(self.ids)
        if self.less_level:
            windows = windows - windows.mean((1, 2), keepdim=True)
        if len(self.mean) == 1:
            scores = self.network.score((windows - self.mean) * self.scale)
            return scores if scores.ndim == 1 else scores[:, :ids]
        standardised = (windows[:, None] - self.mean[:, None]) * self.scale  # about the mean of each id
        scores = self.network.score(standardised.flatten(0, 1))
        if scores.ndim == 1:
            return scores.reshape(-1, ids)
        return scores[:, :ids].reshape(-1, ids, ids).diagonal(dim1=1, dim2=2)


@dataclass
class _Trained:
    """What a detector keeps after training; `ids` are the real ones, sorted."""

    network: WindowNetwork
    standardizer: Standardizer
    ids: list[str]
    frames: int
    classes: int

    @cached_property
    def folded(self) -> WindowNetwork:
        """The network as it scores, made once: a stream is scored one window at a time."""
        return fold_batch_norm(self.network)


def _own_column(values: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Value of each window [``[batch]``] in the column of its clip's id, where there are those of ``[batch, ids]``."""
    return values if values.ndim == 1 else values.gather(1, columns[:, None])[:, 0]
