"""Context of a job: the device, seeded random generators, progress, the stop request, and checkpoints."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asdkit.errors import Stopped

Scalar = None | bool | int | float | str
StateValue = np.ndarray | Scalar | list[str]
State = dict[str, StateValue]


@dataclass
class Context:
    """What the core passes to a plugin. This class reports nothing and never stops: for notebooks and tests.

    A run passes a subclass that reports progress and stores checkpoints.

    Attributes
    ----------
    device
        Where to compute: ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    seed
        Seed of all randomness in the job.
    threads
        Number of threads that the job may use.

    Examples
    --------
    >>> from asdkit.api import Context
    >>> ctx = Context(seed=1)
    >>> bool(ctx.rng("weights").random() == ctx.rng("weights").random())
    True
    """

    device: str = "cpu"
    seed: int = 0
    threads: int = 1

    def seed_for(self, stream: str) -> int:
        """Return the seed of a named random stream [63 bits]; streams with different names are independent."""
        sequence = np.random.SeedSequence([self.seed, zlib.crc32(stream.encode())])
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))

    def rng(self, stream: str) -> np.random.Generator:
        """Return a new generator for a named stream; the same name gives the same numbers."""
        return np.random.default_rng(self.seed_for(stream))

    def progress(self, **values: float | int | str) -> None:
        """Report progress, such as ``progress(epoch=3, epochs=50, loss=0.4, windows_per_s=1e5)``."""

    def should_stop(self) -> bool:
        """Return True if the work is to stop: then raise `asdkit.api.Stopped`. Call it at least once per batch."""
        return False

    def raise_if_stopped(self) -> None:
        """Raise `asdkit.api.Stopped` if the work is to stop; call it at least once per batch."""
        if self.should_stop():
            raise Stopped("stopped")

    def save_checkpoint(self, state: Mapping[str, StateValue]) -> None:
        """Store what is needed to resume if the process dies; replaces the previous checkpoint."""

    def load_checkpoint(self) -> State | None:
        """Return the checkpoint that an earlier attempt at this job stored, or None."""
        return None


class WithoutCheckpoints(Context):
    """The context of a part of a fit: like that of the fit, but without its checkpoints."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx.device, ctx.seed, ctx.threads)
        self._ctx = ctx

    def progress(self, **values: float | int | str) -> None:
        """Report progress of the fit."""
        self._ctx.progress(**values)

    def should_stop(self) -> bool:
        """Return True if the fit is to stop."""
        return self._ctx.should_stop()
