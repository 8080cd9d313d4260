"""What a result was made from, as three hashes: of its data, its settings and its code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asdkit.run.plan import source_digest

if TYPE_CHECKING:
    from asdkit.run.plan import Job
    from asdkit.spec import Spec


def provenance(spec: Spec, jobs: Sequence[Job], recordings: Mapping[str, str]) -> dict[str, str]:
    """Hash what determines a run's results.

    Parameters
    ----------
    spec
        The spec.
    jobs
        All jobs of the plan.
    recordings
        SHA-256 of each recording's content, by name.

    Returns
    -------
    hashes
        ``data``: every recording's name and content, and the split, id, label and domain of it. ``settings``: all
        settings after merging, seed included; neither where the data lie nor what it was computed with. ``code``: the
        source of asdkit and of the plugins used.
    """
    clips = {p.clip.name: p.clip for job in jobs for p in job.clips}
    data = [
        [name, recordings.get(name, ""), clip.machine, clip.id, clip.split, clip.label, clip.domain]
        for name, clip in sorted(clips.items())
    ]
    machines: dict[str, dict[str, Any]] = {}
    for job in jobs:
        for name in job.detectors:
            machines.setdefault(job.machine, {})[name] = job.settings.canonical()
    systems = {
        name: [list(s.members), None if s.fuser is None else s.fuser.canonical()] for name, s in spec.systems.items()
    }
    data_keys = [spec.data.layout, spec.data.sample_rate, spec.data.channel, spec.calibration.held_out]
    settings = [spec.seed, *data_keys, machines, systems]
    return {"data": _hash(data), "settings": _hash(settings), "code": code_digest(jobs)}


def code_digest(jobs: Sequence[Job]) -> str:
    """Hash the source of asdkit and of the plugins that jobs use."""
    modules = sorted({plugin.module for job in jobs for plugin in job.plugins})
    return _hash([source_digest("asdkit"), *(source_digest(module) for module in modules)])


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
