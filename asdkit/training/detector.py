"""The detector that every network shares; a plugin adds the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from asdkit.context import Context, State
from asdkit.errors import DataError, NotFitted, Stopped
from asdkit.features import Features, FloatArray, IntArray, Windows
from asdkit.interfaces import Training
from asdkit.training.batches import WindowSource
from asdkit.training.network import WindowNetwork, folded, to_state
from asdkit.training.sampling import EpochSample, hold_out
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import surroundings
from asdkit.training.trainer import Trainer, batches_on, load_network

if TYPE_CHECKING:
    from asdkit.config import NetworkConfig


@dataclass
class _Learnt:
    network: WindowNetwork
    standard: Standardizer
    ids: list[str]  # real ids, sorted
    frames: int
    classes: int

    @cached_property
    def folded(self) -> WindowNetwork:
        """The network as it scores, made once: a stream is scored a window at a time."""
        return folded(self.network)


class ScoringModule(nn.Module):
    """A trained network from windows as they are to scores: what can be written down as a graph.

    Attributes
    ----------
    ids
        Of its columns, where it gives ``[batch, ids]`` and not ``[batch]``.
    """

    def __init__(self, network: WindowNetwork, standard: Standardizer, ids: Sequence[str]) -> None:
        super().__init__()
        self.network, self.ids = network, list(ids)
        self.mean, self.scale = torch.from_numpy(standard.mean), torch.from_numpy(standard.scale)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Score windows [float32, ``[batch, frames, bands]``]."""
        ids = len(self.ids)
        if len(self.mean) == 1:
            scores = self.network.score((windows - self.mean) * self.scale)
            return scores if scores.ndim == 1 else scores[:, :ids]
        about_each = (windows[:, None] - self.mean[:, None]) * self.scale
        scores = self.network.score(about_each.flatten(0, 1))
        if scores.ndim == 1:
            return scores.reshape(-1, ids)
        return scores[:, :ids].reshape(-1, ids, ids).diagonal(dim1=1, dim2=2)


class NetworkDetector:
    """A detector that is a torch network over standardised windows, trained by gradient descent.

    A plugin subclasses it and says which network; everything else of `asdkit.api.Detector` is here: batches,
    augmentation, checkpoints, the choice of device, scoring, state.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self._learnt: _Learnt | None = None

    @property
    def about_own_mean(self) -> bool:
        """Whether bands are taken about their mean over the id's training frames, not over the machine's."""
        return False

    def build(self, frames: int, bands: int, classes: int) -> WindowNetwork:
        """Make the network, with fresh weights, for windows of `frames` x `bands` and so many classes.

        The first classes are the real ids; there are more where augmenters add them.
        """
        raise NotImplementedError

    def fit(self, training: Training, ctx: Context) -> None:
        """Learn from training clips; see `asdkit.api.Detector`."""
        self._learnt = None
        frames, classes = training.windows.frames, len(training.class_names)
        if frames == "clip":
            raise ValueError("a network needs windows of a fixed number of frames")
        learn, watch = hold_out(training, self.config.validation, ctx.rng("hold out"))
        if not len(learn):
            raise DataError(f"no training clip is as long as a window of {frames} frames", hint="Use fewer frames.")
        ids = training.classes[: training.real] if self.about_own_mean else None
        standard = Standardizer.fit(training.features, learn, ids)
        with surroundings(ctx, "network") as device:
            network = self.build(frames, training.features.bands, classes).to(device)
            fit = Trainer(network, training, learn, watch, standard, self.config, ctx)
            fit.run()
            fit.settle()
        network.cpu().eval()
        self._learnt = _Learnt(network, standard, list(training.real_ids), frames, classes)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        learnt = self._known()
        assert windows.frames == learnt.frames
        own = _columns(learnt.ids, ids)[windows.clip_of()]
        if len(learnt.standard.mean) == 1:
            return self._score(features, windows.starts, own, ctx)
        scores = np.full(len(windows), np.inf, np.float32)
        strange = np.flatnonzero(own < 0)
        known = np.flatnonzero(own >= 0)
        scores[known] = self._score(features, windows.starts[known], own[known], ctx)
        for index in range(len(learnt.ids) if len(strange) else 0):
            as_its = self._score(features, windows.starts[strange], np.full(len(strange), index), ctx)
            scores[strange] = np.minimum(scores[strange], as_its)
        return scores

    def _score(self, features: Features, starts: IntArray, own: IntArray, ctx: Context) -> FloatArray:
        """Score windows that begin at rows `starts` as those of ids `own` [int64, ``[windows]``], -1 for none known."""
        learnt = self._known()
        source = WindowSource(features, learnt.frames, max(1, len(learnt.ids)), learnt.standard, [])
        draw = EpochSample.plain(starts, np.maximum(own, 0), self.config.batch_size)
        with surroundings(ctx, "scoring") as device, torch.inference_mode():
            network = learnt.folded.to(device)
            column = torch.from_numpy(own).to(device)
            scores = torch.empty(len(starts), device=device)
            first = 0
            for batch in batches_on(device, source, draw.batch_size, ctx.threads).epoch(draw, 0, 0):
                if ctx.should_stop():
                    raise Stopped("scoring was stopped")
                rows = slice(first, first + len(batch.windows))
                scores[rows] = _own_score(network.score(batch.windows), column[rows], len(learnt.ids))
                first = rows.stop
            made: FloatArray = scores.cpu().numpy().copy()
        return made

    def scoring_module(self) -> ScoringModule:
        """The trained network as one module, in evaluation mode; a bundle makes an ONNX graph of it."""
        learnt = self._known()
        return ScoringModule(folded(learnt.network), learnt.standard, learnt.ids).eval()  # its own: it may be changed

    def state(self) -> State:
        """What was learnt; see `asdkit.api.Detector`."""
        learnt = self._known()
        state: State = {"frames": learnt.frames, "classes": learnt.classes, "ids": list(learnt.ids)}
        state |= {"standard.mean": learnt.standard.mean, "standard.scale": learnt.standard.scale}
        return state | to_state("network.", learnt.network.state_dict())

    def load(self, state: State) -> None:
        """Take back what `state` gave; see `asdkit.api.Detector`."""
        mean, scale, ids = state["standard.mean"], state["standard.scale"], state["ids"]
        assert isinstance(mean, np.ndarray)
        assert isinstance(scale, np.ndarray)
        assert isinstance(ids, list)
        frames, classes = int(str(state["frames"])), int(str(state["classes"]))
        with torch.random.fork_rng(devices=[]):
            network = self.build(frames, mean.shape[1], classes)
        load_network(network, "network.", state)
        self._learnt = _Learnt(network.eval(), Standardizer(mean, scale), list(ids), frames, classes)

    def _known(self) -> _Learnt:
        if self._learnt is None:
            raise NotFitted("a detector must be fitted or loaded before it can score")
        return self._learnt


def _columns(known: Sequence[str], ids: Sequence[str]) -> IntArray:
    """Place of each clip's id among the known ones, or -1 [int64, ``[clips]``]."""
    place = {name: index for index, name in enumerate(known)}
    return np.array([place.get(name, -1) for name in ids], np.int64)


def _own_score(scores: torch.Tensor, own: torch.Tensor, ids: int) -> torch.Tensor:
    """Score of each window at its clip's own id; the best over the real ids where that is not one of them."""
    if scores.ndim == 1:
        return scores
    at_own = scores.gather(1, own.clamp(min=0)[:, None])[:, 0]
    return torch.where(own < 0, scores[:, :ids].amin(dim=1), at_own)
