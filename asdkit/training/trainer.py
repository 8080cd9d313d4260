"""The training loop: epochs, learning rate, validation and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import torch

from asdkit.config import NetworkConfig
from asdkit.context import Context, State
from asdkit.errors import AsdkitError, Stopped
from asdkit.features import IntArray
from asdkit.interfaces import Training
from asdkit.training.batches import Batch, WindowSource, batches_on, seeded_rng
from asdkit.training.network import WindowNetwork, from_state, load_network, to_state
from asdkit.training.sampling import EpochSample, Sampler
from asdkit.training.standardize import Standardizer
from asdkit.training.torch_runtime import autocast

_WARM_UP = 0.1  # share of all steps
_LEAST_RATE = 1e-2  # share of the peak learning rate
_REPORT_INTERVAL = 0.5  # seconds between progress reports within an epoch
_LARGEST_GRADIENT = 10.0  # norm to which a larger gradient is clipped: an outlier must not undo the training so far


class Trainer:
    """Training of one network, from its first epoch or a checkpoint to its last epoch.

    Parameters
    ----------
    network
        The network, on the device; training changes its weights.
    training
        All training clips.
    train_clips, validation_clips
        [int64] Clips to train on, and clips whose loss selects the epoch to keep (none: the last one is kept).
    standardizer
        Fitted on the training clips.
    config
        Options that all networks share.
    ctx
        Device, seeds, progress and checkpoints.
    """

    def __init__(
        self,
        network: WindowNetwork,
        training: Training,
        train_clips: IntArray,
        validation_clips: IntArray,
        standardizer: Standardizer,
        config: NetworkConfig,
        ctx: Context,
    ) -> None:
        self.network, self.config, self.ctx = network, config, ctx
        self.device = torch.device(ctx.device)
        self.sampler = Sampler(training, train_clips)
        self.batch_size = config.batch(self.sampler.windows(config.windows_per_clip))
        self.validation = _all_windows(training, validation_clips, self.batch_size)
        self.all_real = _all_windows(training, np.arange(training.real), self.batch_size)
        assert training.windows.frames != "clip"  # NetworkConfig.problems refuses it
        frames, classes = training.windows.frames, len(training.class_names)
        source = WindowSource(training.features, frames, classes, standardizer, self.sampler.transforms)
        self.batches = batches_on(self.device, source, self.batch_size, ctx.threads)
        self.parameters = list(network.parameters())  # once: walking all modules takes half a millisecond
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.epochs_done = 0
        self.lowest_loss = np.inf  # over the validation clips
        self.best_weights: dict[str, torch.Tensor] = {}  # at the lowest loss

    def run(self) -> None:
        """Train; the network ends with the weights to keep.

        Raises
        ------
        Stopped
            Within a batch of the request to stop.
        AsdkitError
            If the loss is not finite.
        """
        checkpoint = self.ctx.load_checkpoint()
        if checkpoint is not None:
            self._restore(checkpoint)
        seed = self.ctx.seed_for("draw")
        config = self.config
        while self.epochs_done < config.epochs:
            rng = seeded_rng(seed, self.epochs_done)
            self._epoch(self.sampler.sample(config.windows_per_clip, self.batch_size, config.least_batches, rng))
            self.epochs_done += 1
            self._keep_if_best()
            self.ctx.save_checkpoint(self._state())
        if self.best_weights:
            self.network.load_state_dict(self.best_weights)

    def finalize(self) -> None:
        """Fit what the network scores with besides its weights, on all windows of the real training clips."""
        self.network.eval()
        with torch.inference_mode():
            self.network.finalize(self._unaugmented(self.all_real))

    def _unaugmented(self, sample: EpochSample) -> Iterator[Batch]:
        """Yield batches of windows in order."""
        for batch in self.batches.epoch(sample, 0, 0):
            if self.ctx.should_stop():
                raise Stopped("training was stopped")
            yield batch

    def _epoch(self, sample: EpochSample) -> None:
        """Train on the windows of an epoch; the host waits for the device only at the end."""
        self.network.train()
        # The network's own randomness (dropout) depends on the epoch only, so that a resumed fit repeats it.
        torch.manual_seed(self.ctx.seed_for(f"epoch {self.epochs_done}"))
        begin = reported = time.perf_counter()
        total = torch.zeros((), device=self.device)
        steps, done = self.config.epochs * sample.batches, 0
        for batch in self.batches.epoch(sample, self.ctx.seed_for("batches"), self.epochs_done):
            if self.ctx.should_stop():
                raise Stopped("training was stopped")
            self._set_rate(learning_rate_factor(self.epochs_done * sample.batches + done, steps))
            total += self._step(batch)
            done += 1
            now = time.perf_counter()
            if self.device.type == "cpu" and now - reported > _REPORT_INTERVAL:
                self._report(total, done, sample.batch_size, begin)
                reported = now
        self._report(total, done, sample.batch_size, begin)
        if not torch.isfinite(total):
            raise AsdkitError(
                f"training diverged in epoch {self.epochs_done + 1}: the loss is not finite",
                hint="Lower the detector's learning_rate, or set its precision to float32.",
            )

    def _step(self, batch: Batch) -> torch.Tensor:
        """Update the weights by one batch; return its loss."""
        with autocast(self.device, self.config.precision, self.network.bfloat16_pays):
            loss = self.network.loss(batch.windows, batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, _LARGEST_GRADIENT)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.detach()

    def _set_rate(self, factor: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = factor * self.config.learning_rate

    def _report(self, total: torch.Tensor, batches: int, batch_size: int, begin: float) -> None:
        loss = total.item() / batches  # waits until a GPU has finished its work
        seconds = time.perf_counter() - begin
        self.ctx.progress(
            epoch=self.epochs_done + 1,
            epochs=self.config.epochs,
            loss=loss,
            windows_per_s=batches * batch_size / max(seconds, 1e-9),
        )

    def _keep_if_best(self) -> None:
        """Keep the weights if the validation loss is the lowest so far."""
        if not len(self.validation.starts):
            return
        self.network.eval()
        with torch.inference_mode():
            total = torch.zeros((), dtype=torch.float64, device=self.device)
            for batch in self._unaugmented(self.validation):
                total += self.network.loss(batch.windows, batch.targets).double() * len(batch.windows)
            loss = total.item()
        if loss < self.lowest_loss:
            self.lowest_loss = loss
            self.best_weights = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def _state(self) -> State:
        """Everything that the remaining epochs depend on; generators follow from the seed and the epoch's number."""
        state: State = {"epoch": self.epochs_done, "lowest": float(self.lowest_loss)}
        state |= to_state("network.", self.network.state_dict()) | to_state("best.", self.best_weights)
        for index, parameter in enumerate(self.parameters):
            state |= to_state(f"optimiser.{index}.", self.optimiser.state[parameter])
        return state

    def _restore(self, state: State) -> None:
        self.epochs_done, self.lowest_loss = int(str(state["epoch"])), float(str(state["lowest"]))
        load_network(self.network, "network.", state)
        self.best_weights = {name: tensor.to(self.device) for name, tensor in from_state("best.", state).items()}
        for index, parameter in enumerate(self.parameters):
            saved = from_state(f"optimiser.{index}.", state)
            moments = {name: torch.zeros_like(parameter).copy_(saved[name]) for name in ("exp_avg", "exp_avg_sq")}
            self.optimiser.state[parameter] = moments | {"step": saved["step"].reshape(()).to(self.device)}


def learning_rate_factor(step: int, steps: int) -> float:
    """Learning rate of a step as a share of the peak: linear warm-up, then a half cosine (Smith & Topin 2018).

    Parameters
    ----------
    step
        Number of the step, from 0.
    steps
        Steps of the whole training.
    """
    warm_up = max(1, round(_WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    decay = (step - warm_up) / max(1, steps - warm_up)
    return _LEAST_RATE + (1 - _LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * decay))


def _all_windows(training: Training, clips: IntArray, batch_size: int) -> EpochSample:
    """All windows of some clips."""
    selected = np.isin(training.windows.clip_of(), clips)
    classes = training.classes[training.windows.clip_of()[selected]]
    return EpochSample.plain(training.windows.starts[selected], classes, batch_size)
