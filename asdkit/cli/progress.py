"""Progress of a run on standard error: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from asdkit.run.locks import TRIES
from asdkit.run.runner import Watcher
from asdkit.run.store import read_progress

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from asdkit.run import Plan
    from asdkit.run.job import Outcome
    from asdkit.run.jobs import Job

_STALE_S = 60  # a job without newer progress is not shown as running


class Progress(Watcher):
    """Progress of a run: ended jobs as lines, running jobs as a live table on a terminal.

    Parameters
    ----------
    plan
        Of the run.

    Attributes
    ----------
    left
        Jobs that have not ended, by key.
    total
        Number of jobs of this run, without those finished before.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.left: dict[str, Job] = {}
        self.total = 0
        self._begin = time.monotonic()
        self._first_epochs: dict[str, tuple[float, float]] = {}  # by training: first epoch seen, and when
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def planned(self, plan: Plan, jobs: Sequence[Job], left: Sequence[Job]) -> None:
        """Print the number of jobs, and start the live table."""
        self.left = {job.key: job for job in left}
        self.total = len(left)
        self._begin = time.monotonic()
        done = len(jobs) - len(left)
        self._print(f"{len(jobs)} jobs, {done} done, {len(left)} left; run folder {plan.paths.folder}")
        if left and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            live = Live(get_renderable=self._render, console=Console(stderr=True), refresh_per_second=4, transient=True)
            live.start()
            self._live = live

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Print the outcome of a job."""
        self.left.pop(job.key, None)
        if outcome.status != "stopped":
            text = f": {outcome.message}" if outcome.message else ""
            self._print(f"{job.title}: {outcome.status} in {outcome.seconds:.1f} s{text}")

    def retrying(self, job: Job, deaths: int) -> None:
        """Print that a job is tried again."""
        self._print(f"{job.title}: its worker process died ({deaths} of {TRIES} times); it is tried again, alone")

    def stopping(self) -> None:
        """Print that the run stops soon, and how to stop it at once."""
        self._print("stopping at the next batch; a second Ctrl-C or SIGTERM stops at once")

    def _print(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _render(self) -> RenderableType:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for job in list(self.left.values()):
            if values := read_progress(self.plan.paths.work(job), newer_than_s=_STALE_S):
                time_left = self._training_time_left(job, values)
                grid.add_row(job.machine, "=".join(job.detectors), *_cells(values), time_left)
        ended = self.total - len(self.left)
        elapsed = time.monotonic() - self._begin
        text = f"{ended} of {self.total} jobs, {_clock(elapsed)}"
        if ended:
            text += f", about {_clock(elapsed / ended * len(self.left))} left"
        grid.add_row(text)
        return grid

    def _training_time_left(self, job: Job, values: dict[str, float | int | str]) -> str:
        """Estimate the time left of a training from the pace of its epochs since they were first seen."""
        if "epoch" not in values or "epochs" not in values:
            return ""
        now, epoch, epochs = time.monotonic(), float(values["epoch"]), float(values["epochs"])
        begin, first = self._first_epochs.setdefault(f"{job.key}{values.get('id', '')}", (now, epoch))
        if epoch <= first:
            return ""
        return f"{_clock((epochs - epoch) * (now - begin) / (epoch - first))} left"


def _cells(values: dict[str, float | int | str]) -> list[str]:
    id_ = f"id {values['id']}" if "id" in values else ""
    if "epoch" not in values:
        return [id_, f"{values.get('stage', '')} {values.get('clips', '')}/{values.get('of', '')}"]
    cells = [id_, f"epoch {values['epoch']}/{values.get('epochs', '?')}"]
    if "loss" in values:
        cells.append(f"loss {float(values['loss']):.4f}")
    if "windows_per_s" in values:
        cells.append(f"{float(values['windows_per_s']):,.0f} windows/s")
    return cells


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
