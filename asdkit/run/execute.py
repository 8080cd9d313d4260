"""Carry out a plan: skip what is done, run what is left, survive what dies."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asdkit.dataset import find_clips
from asdkit.errors import AsdkitError, AsdkitWarning, DataError, ExitCode, Stopped, UsageError
from asdkit.naming import nearest
from asdkit.run.check import Checked, check_audio
from asdkit.run.files import verify, write_atomic, write_json
from asdkit.run.job import Outcome, Place, versions
from asdkit.run.lock import OWNER, locked
from asdkit.run.plan import Job, make_jobs
from asdkit.run.provenance import provenance
from asdkit.run.results import Results, clear_results, collect, write_results
from asdkit.run.workers import cores, run_jobs

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.spec import Spec

_TRIES = 3

Status = Literal["done", "begun", "left"]


@dataclass(frozen=True)
class Plan:
    """A spec, its good clips, and the jobs that they make."""

    spec: Spec
    checked: Checked
    jobs: list[Job]
    place: Place
    registry: Registry
    notes: list[str] = field(default_factory=list)

    def status(self, job: Job) -> Status:
        """Whether the job is complete and intact, begun, or left to do."""
        done = self.place.done(job)
        if done.exists() and verify(done) is None:
            return "done"
        return "begun" if any(self.place.work(job).glob("checkpoint*")) else "left"


class Watcher:
    """Hears how a run goes; as it stands it says nothing."""

    def planned(self, plan: Plan, left: Sequence[Job]) -> None:
        """Work begins: `left` is what is not done already."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Tell that a job ended."""

    def retrying(self, job: Job, tries: int) -> None:
        """A job's worker died, and it is tried again."""

    def stopping(self) -> None:
        """The run was asked to stop and does so at the next batch."""


def make_plan(spec: Spec, folder: Path, registry: Registry, *, machines: Sequence[str] | None = None) -> Plan:
    """Find the clips, check them all, and turn spec and clips into jobs; nothing is written.

    Parameters
    ----------
    spec
        The spec.
    folder
        The run folder; need not exist.
    registry
        The plugins.
    machines
        Only these machines, instead of the spec's.

    Raises
    ------
    DataError
        All faults of the data at once.
    SpecError
        For settings that cannot go with these clips.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AsdkitWarning)
        clips = find_clips(spec.data.layout, spec.data.root, machines or spec.data.machines, spec.data.ground_truth)
    notes = [str(w.message) for w in caught if issubclass(w.category, AsdkitWarning)]
    twice = [name for name, count in Counter(c.name for c in clips).items() if count > 1]
    if twice:
        raise DataError(
            "\n".join(f"{name}: two recordings are shown by this name" for name in twice),
            hint="Rename one: scores are joined by name.",
        )
    present = sorted({c.machine for c in clips})
    notes += [
        f"{spec.path.name} has settings for machine {m!r}, which the data do not have{nearest(m, present)}"
        for m in spec.machine_names
        if m not in present and not machines
    ]
    jobs_possible = make_jobs(spec, clips, registry)  # faults of the spec before those of the data
    checked = check_audio(spec, clips, registry)
    jobs = jobs_possible if not checked.skipped else make_jobs(spec, checked.clips, registry)
    return Plan(spec, checked, jobs, Place(folder), registry, notes)


def run_plan(plan: Plan, watcher: Watcher | None = None) -> Results:
    """Run what is left of a plan and write the results.

    Raises
    ------
    RunInUse
        If another process works in the folder.
    Stopped
        If asked to stop; what was finished is kept.
    AsdkitError
        If nothing could be computed at all.
    """
    watcher = watcher or Watcher()
    place, spec = plan.place, plan.spec
    _make_folder(place.folder, spec.data.root)
    with locked(place.folder), _interruptible(place, watcher) as signals:
        begin = time.time()
        write_atomic(place.folder / "spec.toml", spec.text.encode())
        write_json(place.folder / "settings.json", _settings(plan))
        left = [job for job in plan.jobs if plan.status(job) != "done"]
        if left:
            clear_results(place.folder)  # of an earlier spec, perhaps: they are made anew from the jobs
        watcher.planned(plan, left)
        failed = _run_left(plan, left, watcher)
        if signals:
            ended = len([j for j in plan.jobs if plan.place.done(j).exists()])
            error = Stopped(
                f"stopped; {ended} of {len(plan.jobs)} jobs are done and kept in {place.folder}",
                hint="Run the same command again to go on.",
            )
            error.exit_code = ExitCode.TERMINATED if signals[0] == signal.SIGTERM else ExitCode.INTERRUPTED
            raise error
        folders = {job.key: place.done(job) for job in plan.jobs if job.key not in failed}
        if not folders:
            raise AsdkitError("every job failed:\n" + "\n".join(f"{j.title}: {failed[j.key]}" for j in plan.jobs))
        results = collect(spec, plan.jobs, folders, failed, plan.checked.skipped, plan.registry)
        results.notes[:0] = plan.notes
        about = {
            "name": spec.name,
            "seed": spec.seed,
            "device": device_of(spec.compute.device),
            "versions": versions(),
            "sha256": provenance(spec, plan.jobs, results.recordings),
            "wall_seconds": round(time.time() - begin, 3),
        }
        write_results(place.folder, results, spec.data.layout, about)
        if not failed:
            shutil.rmtree(place.folder / "work", ignore_errors=True)
    return results


def _make_folder(folder: Path, recordings: Path) -> None:
    """Make the run folder; one that holds anything but a run is refused, for a run replaces what lies in its own."""
    if folder == recordings or folder in recordings.parents:
        raise UsageError(
            f"the recordings in {recordings} lie in the run folder {folder}",
            hint="Choose another place with --out.",
        )
    try:
        foreign = folder.is_dir() and not (folder / OWNER).exists() and any(folder.iterdir())
        if foreign:
            raise UsageError(f"{folder} holds something that is not a run", hint="Choose another place with --out.")
        (folder / "work").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AsdkitError(
            f"cannot make the run folder {folder}: {error.strerror}", hint="Choose another place with --out."
        ) from None


def _run_left(plan: Plan, left: Sequence[Job], watcher: Watcher) -> dict[str, str]:
    """Run jobs, retry those whose worker died, and say why each one that failed did, by key."""
    compute = plan.spec.compute
    # By the spec, not by what is left: a resumed run must compute with as many threads as one never disturbed.
    threads = compute.threads or max(1, cores() // compute.workers)
    workers = max(1, min(compute.workers, len(left)))
    device = device_of(compute.device)
    jobs = {job.key: job for job in left}
    tries = dict.fromkeys(jobs, 0)
    failed: dict[str, str] = {}
    # A job that an earlier process died in is run alone in a worker of its own, so that it takes nobody else down.
    suspects = [key for key in jobs if plan.place.begun(jobs[key]).exists()]
    batches: list[list[str]] = [[key for key in jobs if key not in suspects], *([key] for key in suspects)]
    while batches:
        batch = batches.pop(0)
        if not batch or plan.place.stop_file.exists():
            continue
        lost = set(batch)
        for outcome in run_jobs(
            [jobs[k] for k in batch],
            plan.place,
            workers=max(workers, 2) if batch[0] in suspects else workers,
            threads=threads,
            device=device,
        ):
            lost.discard(outcome.key)
            if outcome.status == "failed":
                failed[outcome.key] = outcome.message
            watcher.ended(jobs[outcome.key], outcome)
        if plan.place.stop_file.exists():
            continue
        begun = [key for key in batch if key in lost and plan.place.begun(jobs[key]).exists()]
        # Those that had not begun are innocent, unless nobody had: then workers die before any job begins.
        for key in begun or lost:
            tries[key] += 1
            if tries[key] >= _TRIES:
                failed[key] = f"its worker process died {_TRIES} times (out of memory? a plugin that ends the process?)"
                watcher.ended(jobs[key], Outcome(key, "failed", failed[key]))
            else:
                watcher.retrying(jobs[key], tries[key])
                suspects.append(key)
                batches.append([key])
        if begun:
            batches.insert(0, [key for key in batch if key in lost and key not in begun])
    return failed


@contextmanager
def _interruptible(place: Place, watcher: Watcher) -> Iterator[list[int]]:
    """Turn the first Ctrl-C or SIGTERM into a wish to stop, which jobs obey; the second ends at once."""
    place.stop_file.unlink(missing_ok=True)
    received: list[int] = []

    def handle(number: int, _frame: Any) -> None:
        received.append(number)
        if len(received) > 1:
            os.write(sys.stderr.fileno(), b"stopped at once; finished jobs are kept\n")
            os._exit(128 + number)
        place.stop_file.touch()
        watcher.stopping()

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            before[number] = signal.signal(number, handle)
        except ValueError:  # not the main thread: its owner answers signals
            break
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        place.stop_file.unlink(missing_ok=True)


def device_of(wanted: str) -> str:
    """``"auto"`` is CUDA where there is a device for it, else the CPU."""
    if wanted != "auto":
        return wanted
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "cpu"  # no driver, so no need to import torch (seconds) to ask it
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _settings(plan: Plan) -> dict[str, Any]:
    spec = plan.spec
    machines: dict[str, dict[str, Any]] = {}
    for job in plan.jobs:
        for name in job.detectors:
            machines.setdefault(job.machine, {})[name] = {**job.settings.canonical(), "job": job.folder}
    return {
        "name": spec.name,
        "seed": spec.seed,
        "data": {
            "layout": spec.data.layout,
            "root": str(spec.data.root),
            "sample_rate": spec.data.sample_rate,
            "channel": spec.data.channel,
            "on_bad_audio": spec.data.on_bad_audio,
        },
        "compute": {
            "workers": spec.compute.workers,
            "threads": spec.compute.threads,
            "device": spec.compute.device,
        },
        "calibration": spec.calibration.model_dump(mode="json"),
        "machines": machines,
        "systems": {
            name: {
                "members": list(s.members),
                "fuser": None if s.fuser is None else {"use": s.fuser.use, **s.fuser.config.model_dump(mode="json")},
            }
            for name, s in spec.systems.items()
        },
        "versions": versions(),
    }
