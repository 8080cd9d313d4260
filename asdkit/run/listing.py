"""What a plan is by path, size and time of change alone: no recording is opened."""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdkit.dataset import Clip, find_clips
from asdkit.errors import AsdkitWarning, DataError
from asdkit.naming import nearest
from asdkit.run.plan import Job, make_jobs

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.spec import Spec

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
        f"{spec.path.name} has settings for machine {m!r}, which the data do not have{nearest(m, present)}"
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
