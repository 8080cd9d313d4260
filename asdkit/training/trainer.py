"""The learning rate of each step.

The training loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from asdkit.context import Context, State
from asdkit.errors import AsdkitError, Stopped
from asdkit.features import IntArray
from asdkit.interfaces import Training
from asdkit.training.batches import Batch, DeviceBatches, HostBatches, WindowSource, generator
from asdkit.training.network import WindowNetwork, from_state, to_state
from asdkit.training.sampling import EpochSample, Sampler
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import autocast

if TYPE_CHECKING:
    from asdkit.config import NetworkConfig


_WARM_UP = 0.1  # of all steps
_LEAST = 1e-2  # of the peak


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step: a linear rise, then half a cosine down (Smith & Topin 2018).

    Parameters
    ----------
    step
        Number of the step, from 0.
    steps
        Steps of the whole fit.
    """
    rise = max(1, round(_WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    fall = (step - rise) / max(1, steps - rise)
    return _LEAST + (1 - _LEAST) * 0.5 * (1 + math.cos(math.pi * fall))


_REPORT = 0.5  # seconds between reports within an epoch
_SMALLEST_BATCH = 4  # of a small set: this fraction of the configured one
_LARGEST_GRADIENT = 10.0  # norm to which a larger gradient is cut: an outlier must not spoil what was learnt


class Trainer:
    """One network being trained, from its first epoch or from a checkpoint to its last.

    Parameters
    ----------
    network
        On the device already; its weights are what the fit changes.
    training
        What it learns from.
    learn, watch
        [int64] Clips to learn from, and clips whose loss chooses the epoch to keep (none: the last one is kept).
    standard
        Fitted on the clips to learn from.
    config
        The options that all networks share.
    """

    def __init__(
        self,
        network: WindowNetwork,
        training: Training,
        learn: IntArray,
        watch: IntArray,
        standard: Standardizer,
        config: NetworkConfig,
        ctx: Context,
    ) -> None:
        self.network, self.config, self.ctx = network, config, ctx
        self.device = torch.device(ctx.device)
        self.sampler = Sampler(training, learn)
        self.batch_size = _batch_size(self.sampler, config)
        self.watch = _windows_of(training, watch, self.batch_size)
        self.all = _windows_of(training, np.arange(training.real), self.batch_size)
        assert training.windows.frames != "clip"  # NetworkConfig.problems refuses it
        frames, classes = training.windows.frames, len(training.class_names)
        source = WindowSource(training.features, frames, classes, standard, self.sampler.transforms)
        self.batches = batches_on(self.device, source, self.batch_size, ctx.threads)
        self.parameters = list(network.parameters())  # once: a walk through all modules costs half a millisecond
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.done = 0  # epochs
        self.lowest = np.inf  # loss over the clips to watch
        self.best: dict[str, torch.Tensor] = {}  # weights at the lowest loss

    def run(self) -> None:
        """Train; the network ends with the weights to keep.

        Raises
        ------
        Stopped
            Within a batch of being asked to.
        AsdkitError
            If the loss becomes infinite.
        """
        checkpoint = self.ctx.load_checkpoint()
        if checkpoint is not None:
            self._restore(checkpoint)
        seed = self.ctx.seed_for("draw")
        while self.done < self.config.epochs:
            rng = generator(seed, self.done)
            self._epoch(
                self.sampler.draw(self.config.windows_per_clip, self.batch_size, self.config.least_batches, rng)
            )
            self.done += 1
            self._keep_if_best()
            self.ctx.save_checkpoint(self._state())
        if self.best:
            self.network.load_state_dict(self.best)

    def settle(self) -> None:
        """Let the network learn what it scores with beside its weights, from all windows of the real training clips."""
        self.network.eval()
        with torch.inference_mode():
            self.network.settle(self._plain(self.all))

    def _plain(self, draw: EpochSample) -> Iterator[Batch]:
        """Windows as they are, in order."""
        for batch in self.batches.epoch(draw, 0, 0):
            if self.ctx.should_stop():
                raise Stopped("training was stopped")
            yield batch

    def _epoch(self, draw: EpochSample) -> None:
        """One pass over the windows drawn; the host waits for the device at its end alone."""
        self.network.train()
        # What a network draws itself (dropout) follows from the epoch, so that a resumed fit draws the same.
        torch.manual_seed(self.ctx.seed_for(f"epoch {self.done}"))
        begin = reported = time.perf_counter()
        total = torch.zeros((), device=self.device)
        steps, seen = self.config.epochs * draw.batches, 0
        for batch in self.batches.epoch(draw, self.ctx.seed_for("batches"), self.done):
            if self.ctx.should_stop():
                raise Stopped("training was stopped")
            self._set_rate(rate(self.done * draw.batches + seen, steps))
            with autocast(self.device, self.config.precision, self.network.bfloat16_pays):
                loss = self.network.loss(batch.windows, batch.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, _LARGEST_GRADIENT)
            self.optimiser.step()
            self.optimiser.zero_grad()
            total += loss.detach()
            seen += 1
            now = time.perf_counter()
            if self.device.type == "cpu" and now - reported > _REPORT:
                self._report(total, seen, draw.batch_size, begin)
                reported = now
        self._report(total, seen, draw.batch_size, begin)
        if not torch.isfinite(total):
            raise AsdkitError(
                f"training lost its way in epoch {self.done + 1}: the loss is not finite",
                hint="Lower the detector's learning_rate, or set its precision to float32.",
            )

    def _set_rate(self, share: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = share * self.config.learning_rate

    def _report(self, total: torch.Tensor, batches: int, batch_size: int, begin: float) -> None:
        loss = total.item() / batches
        seconds = time.perf_counter() - begin  # only now: a GPU has worked through what was asked of it
        self.ctx.progress(
            epoch=self.done + 1,
            epochs=self.config.epochs,
            loss=loss,
            windows_per_s=batches * batch_size / max(seconds, 1e-9),
        )

    def _keep_if_best(self) -> None:
        if not len(self.watch.starts):
            return
        self.network.eval()
        with torch.inference_mode():
            total = torch.zeros((), dtype=torch.float64, device=self.device)
            for batch in self._plain(self.watch):
                total += self.network.loss(batch.windows, batch.targets).double() * len(batch.windows)
            loss = total.item()
        if loss < self.lowest:
            self.lowest = loss
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def _state(self) -> State:
        """Everything the rest of the fit follows from; generators follow from the seed and the epoch's number."""
        state: State = {"epoch": self.done, "lowest": float(self.lowest)}
        state |= to_state("network.", self.network.state_dict()) | to_state("best.", self.best)
        for index, parameter in enumerate(self.parameters):
            state |= to_state(f"optimiser.{index}.", self.optimiser.state[parameter])
        return state

    def _restore(self, state: State) -> None:
        self.done, self.lowest = int(str(state["epoch"])), float(str(state["lowest"]))
        load_network(self.network, "network.", state)
        self.best = {name: tensor.to(self.device) for name, tensor in from_state("best.", state).items()}
        for index, parameter in enumerate(self.parameters):
            kept = from_state(f"optimiser.{index}.", state)
            moments = {name: torch.zeros_like(parameter).copy_(kept[name]) for name in ("exp_avg", "exp_avg_sq")}
            self.optimiser.state[parameter] = moments | {"step": kept["step"].reshape(()).to(self.device)}


def load_network(network: WindowNetwork, prefix: str, state: State) -> None:
    """Copy arrays whose names begin with `prefix` into a network's weights."""
    tensors = from_state(prefix, state)
    shapes = network.state_dict()
    network.load_state_dict({name: tensor.reshape(shapes[name].shape) for name, tensor in tensors.items()})


def batches_on(
    device: torch.device, source: WindowSource, batch_size: int, threads: int
) -> HostBatches | DeviceBatches:
    """Batches where the network is."""
    if device.type == "cpu":
        return HostBatches(source, batch_size, threads)
    return DeviceBatches(source, device, threads)


def _batch_size(sampler: Sampler, config: NetworkConfig) -> int:
    """Windows of a step: as configured, or fewer for a small set, so that an epoch has its least number of steps."""
    least = max(2, config.batch_size // _SMALLEST_BATCH)
    enough = sampler.windows(config.windows_per_clip) // config.least_batches
    return min(max(enough, least), config.batch_size)


def _windows_of(training: Training, clips: IntArray, batch_size: int) -> EpochSample:
    """All windows of some clips."""
    chosen = np.isin(training.windows.clip_of(), clips)
    classes = training.classes[training.windows.clip_of()[chosen]]
    return EpochSample.plain(training.windows.starts[chosen], classes, batch_size)
