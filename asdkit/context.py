"""What the core hands a plugin at work: device, seeded generators, progress, the wish to stop, checkpoints."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Scalar = None | bool | int | float | str
StateValue = np.ndarray | Scalar | list[str]
State = dict[str, StateValue]


@dataclass
class Context:
    """Surroundings of one job. As it stands it is quiet and never stops: for notebooks and tests.

    A run hands out its own kind, which reports progress and keeps checkpoints.

    Attributes
    ----------
    device
        Where to compute: ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    seed
        What all randomness of the job follows from.
    threads
        How many threads the job may use.
    """

    device: str = "cpu"
    seed: int = 0
    threads: int = 1

    def seed_for(self, stream: str) -> int:
        """Seed of a named stream of randomness [63 bits]: streams of different names are independent."""
        sequence = np.random.SeedSequence([self.seed, zlib.crc32(stream.encode())])
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))

    def rng(self, stream: str) -> np.random.Generator:
        """Return a new generator for a named stream; the same name gives the same numbers."""
        return np.random.default_rng(self.seed_for(stream))

    def progress(self, **values: float | int | str) -> None:
        """Tell how far the work is, such as ``progress(epoch=3, epochs=50, loss=0.4, windows_per_s=1e5)``."""

    def should_stop(self) -> bool:
        """Whether to stop as soon as possible, by raising `asdkit.api.Stopped`. Ask at least once a batch."""
        return False

    def save_checkpoint(self, state: Mapping[str, StateValue]) -> None:
        """Keep what is needed to go on from here if the process dies; replaces what was kept before."""

    def load_checkpoint(self) -> State | None:
        """What an earlier attempt at this job kept, or None."""
        return None
