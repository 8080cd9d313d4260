"""How a run goes: live lines on a terminal, plain ones in a pipe; all on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from asdkit.run.job_context import read_progress
from asdkit.run.locks import TRIES
from asdkit.run.runner import Watcher

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from asdkit.run import Plan
    from asdkit.run.job import Outcome
    from asdkit.run.jobs import Job

_STALE_S = 60  # a job that has said nothing for so long is not shown as running


class Progress(Watcher):
    """Shows a run to a person."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.left: dict[str, Job] = {}
        self.total = 0
        self.begin = time.monotonic()
        self.first_seen: dict[str, tuple[float, float]] = {}  # job -> when its epochs were first seen, and which it was
        self.live: Live | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def planned(self, plan: Plan, jobs: Sequence[Job], left: Sequence[Job]) -> None:
        """Say what is left, and begin to show it."""
        self.left = {job.key: job for job in left}
        self.total = len(left)
        self.begin = time.monotonic()
        done = len(jobs) - len(left)
        self._say(f"{len(jobs)} jobs, {done} done, {len(left)} left; run folder {plan.paths.folder}")
        if left and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            live = Live(get_renderable=self._render, console=Console(stderr=True), refresh_per_second=4, transient=True)
            live.start()
            self.live = live

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Say how a job ended."""
        self.left.pop(job.key, None)
        if outcome.status != "stopped":
            text = f": {outcome.message}" if outcome.message else ""
            self._say(f"{job.title}: {outcome.status} in {outcome.seconds:.1f} s{text}")

    def retrying(self, job: Job, deaths: int) -> None:
        """Say that a job is tried again."""
        self._say(f"{job.title}: its worker process died ({deaths} of {TRIES} times); it is tried again, alone")

    def stopping(self) -> None:
        """Say that the run stops soon, and how to stop it at once."""
        self._say("stopping at the next batch; again to stop at once")

    def _say(self, line: str) -> None:
        if self.live is not None:
            self.live.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _render(self) -> RenderableType:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for job in list(self.left.values()):
            work = self.plan.paths.work(job)
            if values := _recent(work):
                grid.add_row(job.machine, "=".join(job.detectors), *_cells(values), self._left_of(job, values))
        ended = self.total - len(self.left)
        elapsed = time.monotonic() - self.begin
        text = f"{ended} of {self.total} jobs, {_clock(elapsed)}"
        if ended:
            text += f", about {_clock(elapsed / ended * len(self.left))} left"
        grid.add_row(text)
        return grid

    def _left_of(self, job: Job, values: dict[str, float | int | str]) -> str:
        """Time left of a job's training, by the pace of its epochs since they were first seen."""
        if "epoch" not in values or "epochs" not in values:
            return ""
        now, epoch, epochs = time.monotonic(), float(values["epoch"]), float(values["epochs"])
        begin, first = self.first_seen.setdefault(f"{job.key}{values.get('id', '')}", (now, epoch))
        if epoch <= first:
            return ""
        return f"{_clock((epochs - epoch) * (now - begin) / (epoch - first))} left"


def _recent(work: Path) -> dict[str, float | int | str]:
    try:
        age = time.time() - (work / "progress.json").stat().st_mtime
    except OSError:
        return {}
    return read_progress(work) if age < _STALE_S else {}


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
