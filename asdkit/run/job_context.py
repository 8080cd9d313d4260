"""The context that a run gives its jobs: progress and the wish to stop pass through small files.

Files, because they work alike for a job in this process, in a worker, and on another host.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asdkit.context import Context, State, StateValue
from asdkit.errors import AsdkitError
from asdkit.run.state import read_state, write_state
from asdkit.run.store import checkpoint_name, write_progress

_PROGRESS_EVERY_S = 0.2
_ASK_EVERY_S = 0.05


@dataclass
class JobContext(Context):
    """Surroundings of one fit within a job.

    Attributes
    ----------
    work
        The job's working folder.
    stop_file
        Exists once the run is asked to stop.
    part
        The id, where a job makes one detector for each id; names the checkpoint and the randomness.
    digest
        Digest of what the detector learns from; a checkpoint of other recordings is not taken up.
    """

    work: Path = field(default_factory=Path)
    stop_file: Path = field(default_factory=Path)
    part: str = ""
    digest: str = ""
    _told: float = field(default_factory=time.monotonic)
    _asked: float = 0.0
    _stopping: bool = False

    def progress(self, **values: float | int | str) -> None:
        """Leave the latest values where the driver looks for them; called often, it writes seldom."""
        now = time.monotonic()
        if now - self._told < _PROGRESS_EVERY_S:
            return
        self._told = now
        if self.part:
            values = {"id": self.part, **values}
        write_progress(self.work, values)

    def should_stop(self) -> bool:
        """Whether the run was asked to stop."""
        now = time.monotonic()
        if not self._stopping and now - self._asked >= _ASK_EVERY_S:
            self._asked = now
            self._stopping = self.stop_file.exists()
        return self._stopping

    def save_checkpoint(self, state: Mapping[str, StateValue]) -> None:
        """Keep `state`, whole or not at all."""
        write_state(self._checkpoint, {**state, _DIGEST: self.digest})

    def load_checkpoint(self) -> State | None:
        """Return what was kept last, if it was learnt from these same recordings and is intact."""
        if not self._checkpoint.exists():
            return None
        try:
            state = read_state(self._checkpoint)
        except AsdkitError:
            return None  # it costs a fit from the start, not the run
        return state if state.pop(_DIGEST, None) == self.digest else None

    @property
    def _checkpoint(self) -> Path:
        return self.work / checkpoint_name(self.part)


_DIGEST = "asdkit.digest"
