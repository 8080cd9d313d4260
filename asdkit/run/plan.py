"""Plans: a spec and its clips turned into jobs, the status of each job, and shards of a plan.

Listing jobs uses path, size and time of change of each recording alone; `make_plan` checks the recordings as well.
"""

from __future__ import annotations

import gc
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from asdkit.data import Clip, find_clips
from asdkit.errors import AsdkitWarning, DataError, UsageError
from asdkit.option_files import FilePath, stored_options
from asdkit.plugins import Registry
from asdkit.run.check_recordings import Checked, check_audio
from asdkit.run.estimates import Estimate, estimate_job
from asdkit.run.jobs import Job, make_jobs
from asdkit.run.resources import core_count, share_cores
from asdkit.run.scales import require_scales
from asdkit.run.store import RunPaths, checkpoint_time, submission_name, unchanged
from asdkit.spec import Spec
from asdkit.spec.positions import quoted
from asdkit.spec.settings import folder_fault, folder_key
from asdkit.text import suggestion_or_choices

Status = Literal["done", "begun", "left"]

_MAX_NAME_BYTES = 255  # of a file name, on every file system in use


@dataclass(frozen=True)
class Plan:
    """A spec, the clips that can be used, and their jobs.

    Attributes
    ----------
    machines
        Names of the machines that the plan was restricted to; None: those of the spec.
    """

    spec: Spec
    checked: Checked
    jobs: list[Job]
    paths: RunPaths
    registry: Registry
    notes: list[str] = field(default_factory=list)
    machines: tuple[str, ...] | None = None

    @cached_property
    def estimates(self) -> list[Estimate]:
        """Estimated memory and time of each job, in the order of `jobs`."""
        _, threads, _ = share_cores(self.spec.compute, core_count())
        return [estimate_job(job, self.checked.samples, threads) for job in self.jobs]

    @cached_property
    def files(self) -> list[FilePath]:
        """Files that options name: of the jobs and of the fusers."""
        return stored_options(
            self.spec.fuser_configs + [config for job in self.jobs for config in job.settings.configs]
        )

    def status(self, job: Job) -> Status:
        """Say whether a job is complete and intact (``"done"``), has a checkpoint (``"begun"``), or neither."""
        if unchanged(self.paths.done(job)) is None:
            return "done"
        return "begun" if checkpoint_time(self.paths.work(job)) else "left"


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of a plan divided into `count` parts that run without a scheduler."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse ``"2/4"``.

        Raises
        ------
        UsageError
            If `text` is anything else.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"no shard {text!r}; expected k/n with k from 1 to n, such as 2/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def mark(self) -> str:
        """Its `RunPaths.mark`."""
        return f"-{self.index}-of-{self.count}"

    def picks(self, jobs: Sequence[Job]) -> list[Job]:
        """Select the jobs of this shard: the same on every host, equal in number, detectors and machines mixed.

        Jobs are dealt out in the order of a digest of machine and detectors, because costs depend on the detector.
        Times of change play no part, because a copy of the recordings may not keep them.
        """
        in_order = sorted(jobs, key=lambda job: hashlib.sha256(job.title.encode("utf-8", "surrogateescape")).digest())
        keys = {job.key for job in in_order[self.index - 1 :: self.count]}
        return [job for job in jobs if job.key in keys]


@dataclass(frozen=True)
class Listing:
    """Clips, their jobs, and notes for the user."""

    clips: list[Clip]
    jobs: list[Job]
    notes: list[str]


def make_plan(spec: Spec, folder: Path, registry: Registry, *, machines: Sequence[str] | None = None) -> Plan:
    """Find the clips, check all recordings, and make the jobs; nothing is written.

    Parameters
    ----------
    spec
        The spec.
    folder
        The run folder; need not exist.
    registry
        The plugins.
    machines
        Use these machines only, instead of the spec's.

    Raises
    ------
    DataError
        All faults of the data at once.
    SpecError
        For settings that do not fit these clips.
    """
    listing = list_jobs(spec, registry, machines)  # faults of the spec come before those of the recordings
    checked = check_audio(spec, listing.clips, registry)
    jobs = make_jobs(spec, checked.clips, registry) if checked.skipped else listing.jobs
    notes = listing.notes + checked.notes
    return Plan(spec, checked, jobs, RunPaths(folder), registry, notes, None if machines is None else tuple(machines))


def list_jobs(spec: Spec, registry: Registry, machines: Sequence[str] | None = None) -> Listing:
    """Find the clips and make the jobs, without opening any recording.

    Parameters
    ----------
    spec
        The spec.
    registry
        The plugins.
    machines
        Use these machines only, instead of the spec's.

    Raises
    ------
    DataError
        If the folder does not fit the layout, or the names of clips, machines and ids cannot be used.
    SpecError
        For settings that do not fit these clips, or detectors that do not accept the scale of their featurizer.
    """
    with warnings.catch_warnings(record=True) as caught, _garbage_collection_paused():
        warnings.simplefilter("always", AsdkitWarning)
        data = spec.data
        layout = registry.find("layout", spec.layout.use).construct(spec.layout.config)
        clips = find_clips(layout, data.root, machines or data.machines, data.ground_truth, data.containers)
        _require_names(clips)
        jobs = make_jobs(spec, clips, registry)
        require_scales(spec, jobs)
    notes = [str(w.message) for w in caught if issubclass(w.category, AsdkitWarning)]
    present = sorted({c.machine for c in clips})
    notes += [
        f"{spec.path.name} has settings for machine {m!r}, which is not in the data{suggestion_or_choices(m, present)}"
        for m in spec.machine_names
        if m not in present and not machines
    ]
    return Listing(clips, jobs, notes)


def _require_names(clips: Sequence[Clip]) -> None:
    """Require names that can be used: of clips to join scores by, of machines and ids as parts of paths."""
    faults = [f"{name}: two recordings have this name" for name, n in Counter(c.name for c in clips).items() if n > 1]
    pairs = sorted({(c.machine, c.id) for c in clips})
    machines: dict[str, str] = {}
    files: dict[str, str] = {}
    for machine in dict.fromkeys(machine for machine, _ in pairs):
        other = machines.setdefault(folder_key(machine), machine)
        if fault := folder_fault(machine):
            faults.append(f"machine {quoted(machine)}: {fault}")
        elif other != machine:
            faults.append(f"machines {quoted(other)} and {quoted(machine)}: one folder where case is ignored")
    for machine, id_ in pairs:
        name = submission_name(machine, id_)
        title = f"machine {machine} id {id_}"
        other = files.setdefault(folder_key(name), title)
        if fault := folder_fault(id_):
            faults.append(f"machine {machine} id {quoted(id_)}: {fault}")
        elif len(name.encode("utf-8", "surrogateescape")) > _MAX_NAME_BYTES:
            faults.append(f"{title}: makes a file name of more than 255 bytes ({name})")
        elif other != title and machines[folder_key(machine)] == machine:  # else its machine is at fault
            faults.append(f"{other} and {title}: both make the file {name} where case is ignored")
    if faults:
        raise DataError("\n".join(faults), hint="Rename them: scores are joined by name, and files named after ids.")


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection: a plan may have millions of objects, all of which stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
