"""A plan split without a scheduler: which jobs are a shard's, and what a shard leaves for merging.

What a plan is by path, size and time of change alone: no recording is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asdkit.errors import UsageError
from asdkit.run.check_recordings import Checked, check_audio
from asdkit.run.jobs import Job, make_jobs
from asdkit.run.store import RunPaths, unchanged

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.run.jobs import Job
    from asdkit.spec import Spec

import gc
import hashlib
import re
import warnings
from typing import TYPE_CHECKING

from asdkit.data import Clip, find_clips
from asdkit.errors import AsdkitWarning, DataError
from asdkit.run.jobs import Job
from asdkit.text import suggestion_or_choices

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.run.jobs import Job
    from asdkit.spec import Spec


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `of` parts of a plan."""

    index: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"2/4"``.

        Raises
        ------
        UsageError
            If it is anything else.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"no shard {text!r}; expected k/n with k from 1 to n, such as 2/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    @property
    def record(self) -> str:
        """Where in a run folder it says what it did."""
        return f"shards/{self.index}-of-{self.of}.json"

    def picks(self, jobs: Sequence[Job]) -> list[Job]:
        """Its share of a plan: the same on every host, equal in number, detectors and machines mixed.

        Jobs are dealt out in the order of a digest of machine and detectors, for costs follow the detector. Times of
        change, which a copy of the recordings may not keep, play no part.
        """
        dealt = sorted(jobs, key=lambda job: hashlib.sha256(job.title.encode("utf-8", "surrogateescape")).digest())
        mine = {job.key for job in dealt[self.index - 1 :: self.of]}
        return [job for job in jobs if job.key in mine]


_MOST_BYTES = 255  # of a file's name, on every file system in use


@dataclass(frozen=True)
class Listing:
    """Clips, the jobs that they make, and what the person should know of them."""

    clips: list[Clip]
    jobs: list[Job]
    notes: list[str]


def list_jobs(spec: Spec, registry: Registry, machines: Sequence[str] | None = None) -> Listing:
    """Find the clips and turn spec and clips into jobs.

    Parameters
    ----------
    spec
        The spec.
    registry
        The plugins.
    machines
        Only these machines, instead of the spec's.

    Raises
    ------
    DataError
        Where the folder does not fit the layout, or names cannot be those of clips and files.
    SpecError
        For settings that cannot go with these clips.
    """
    with warnings.catch_warnings(record=True) as caught, _uncollected():
        warnings.simplefilter("always", AsdkitWarning)
        data = spec.data
        clips = find_clips(data.layout, data.root, machines or data.machines, data.ground_truth, data.containers)
        _require_names(clips)
        jobs = make_jobs(spec, clips, registry)
    notes = [str(w.message) for w in caught if issubclass(w.category, AsdkitWarning)]
    present = sorted({c.machine for c in clips})
    notes += [
        f"{spec.path.name} has settings for machine {m!r}, which is not in the data{suggestion_or_choices(m, present)}"
        for m in spec.machine_names
        if m not in present and not machines
    ]
    return Listing(clips, jobs, notes)


def _require_names(clips: Sequence[Clip]) -> None:
    """Names of clips join scores; those of machines and ids become part of files' names."""
    faults = [
        f"{name}: two recordings are shown by this name"
        for name, count in Counter(c.name for c in clips).items()
        if count > 1
    ]
    for machine, id_ in sorted({(c.machine, c.id) for c in clips}):
        longest = f"anomaly_score_{machine}_id_{id_}.csv"
        if len(longest.encode("utf-8", "surrogateescape")) > _MOST_BYTES or "/" in machine + id_:
            what = "holds a /" if "/" in machine + id_ else "makes a file name of more than 255 bytes"
            faults.append(f"machine {machine} id {id_}: {what} ({longest})")
    if faults:
        raise DataError("\n".join(faults), hint="Rename them: scores are joined by name, and files named after ids.")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let the garbage collector rest: a plan has millions of objects, all stay, and it would look through them anew."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


Status = Literal["done", "begun", "left"]


@dataclass(frozen=True)
class Plan:
    """A spec, its good clips, and the jobs that they make.

    Attributes
    ----------
    machines
        Only these, as asked for beside the spec.
    """

    spec: Spec
    checked: Checked
    jobs: list[Job]
    paths: RunPaths
    registry: Registry
    notes: list[str] = field(default_factory=list)
    machines: tuple[str, ...] | None = None

    def status(self, job: Job) -> Status:
        """Whether the job is complete and intact, begun, or left to do."""
        done = self.paths.done(job)
        if unchanged(done) is None:
            return "done"
        return "begun" if any(self.paths.work(job).glob("checkpoint*")) else "left"


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
    listing = list_jobs(spec, registry, machines)  # faults of the spec before those of the data
    checked = check_audio(spec, listing.clips, registry)
    jobs = make_jobs(spec, checked.clips, registry) if checked.skipped else listing.jobs
    only = None if machines is None else tuple(machines)
    return Plan(spec, checked, jobs, RunPaths(folder), registry, listing.notes, only)
