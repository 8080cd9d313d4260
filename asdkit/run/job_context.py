"""The context of a job's detectors: progress, stop requests and checkpoints as files in the job's working folder.

Files work alike for a job in this process, in a worker, and on another host.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asdkit.context import Context, State, StateValue
from asdkit.errors import AsdkitError
from asdkit.run.state_codec import read_state, state_digest, write_state
from asdkit.run.store import checkpoint_name, write_progress

_PROGRESS_INTERVAL_S = 0.2
_STOP_INTERVAL_S = 0.05
_DIGEST = "asdkit.digest"  # key in a checkpoint
_CONTENT = "asdkit.content"  # key of its own digest


@dataclass
class JobContext(Context):
    """The context of one fit within a job.

    Attributes
    ----------
    work
        The job's working folder.
    stop_file
        Exists once the run is asked to stop.
    id_
        The id, where a job fits one detector per id; names the checkpoint.
    digest
        Digest of the training recordings; a checkpoint with another digest is ignored.
    """

    work: Path = field(default_factory=Path)
    stop_file: Path = field(default_factory=Path)
    id_: str = ""
    digest: str = ""
    _last_progress: float = field(default_factory=time.monotonic)
    _last_check: float = 0.0
    _stop_requested: bool = False

    def progress(self, **values: float | int | str) -> None:
        """Write the latest values for the driver, at most every 0.2 seconds."""
        now = time.monotonic()
        if now - self._last_progress < _PROGRESS_INTERVAL_S:
            return
        self._last_progress = now
        if self.id_:
            values = {"id": self.id_, **values}
        write_progress(self.work, values)

    def should_stop(self) -> bool:
        """Whether the run was asked to stop."""
        now = time.monotonic()
        if not self._stop_requested and now - self._last_check >= _STOP_INTERVAL_S:
            self._last_check = now
            self._stop_requested = self.stop_file.exists()
        return self._stop_requested

    def save_checkpoint(self, state: Mapping[str, StateValue]) -> None:
        """Store `state`, complete or not at all."""
        marked = {**state, _DIGEST: self.digest}
        write_state(self._checkpoint, {**marked, _CONTENT: state_digest(marked)})

    def load_checkpoint(self) -> State | None:
        """Return the latest checkpoint if it is intact and of the same training recordings."""
        if not self._checkpoint.exists():
            return None
        try:
            state = read_state(self._checkpoint)
        except AsdkitError:
            return None  # the fit starts again; the run goes on
        intact = state.pop(_CONTENT, None) == state_digest(state)
        return state if state.pop(_DIGEST, None) == self.digest and intact else None

    @property
    def _checkpoint(self) -> Path:
        return self.work / checkpoint_name(self.id_)


class FeaturizerContext(JobContext):
    """The context of a featurizer's fit: it has no checkpoints, which are the detector's."""

    def save_checkpoint(self, state: Mapping[str, StateValue]) -> None:
        """Store nothing."""

    def load_checkpoint(self) -> State | None:
        """Return None."""
        return None
