"""What a result was made from, as three hashes: of its data, its settings and its code.

What a run was made of, as its folder keeps it: all settings after merging, and what shards must have in common.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asdkit.run.job import versions
from asdkit.run.jobs import source_digest

if TYPE_CHECKING:
    from asdkit.run.jobs import Job
    from asdkit.run.plan import Plan
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


def settings_record(plan: Plan) -> dict[str, Any]:
    """All settings after merging, with the edits (``--set``) that are not in the spec's text; versions."""
    spec = plan.spec
    machines: dict[str, dict[str, Any]] = {}
    for job in plan.jobs:
        for name in job.detectors:
            machines.setdefault(job.machine, {})[name] = {**job.settings.canonical(), "job": job.folder}
    return {
        "name": spec.name,
        "set": list(spec.sets),
        "seed": spec.seed,
        "data": {
            "layout": spec.data.layout,
            "root": str(spec.data.root),
            "ground_truth": [str(path) for path in spec.data.ground_truth],
            "sample_rate": spec.data.sample_rate,
            "channel": spec.data.channel,
            "containers": list(spec.data.containers),
            "on_bad_audio": spec.data.on_bad_audio,
        },
        "compute": spec.compute.model_dump(mode="json"),
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


def signature(plan: Plan) -> dict[str, Any]:
    """What all shards of a run have in common wherever they ran: settings, recordings and code; JSON."""
    record = settings_record(plan)
    for key in ("set", "compute", "versions"):
        del record[key]
    del record["data"]["root"], record["data"]["ground_truth"]
    for detectors in record["machines"].values():
        for settings in detectors.values():
            del settings["job"]  # follows from times of change as well, which a copy may not keep
    clips = {p.clip.name: [p.clip.machine, p.clip.id, p.clip.split, p.size] for job in plan.jobs for p in job.clips}
    text = json.dumps(sorted(clips.items()), ensure_ascii=False)
    return {
        "settings": record,
        "recordings": {
            "clips": len(clips),
            "sha256": hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
        },
        "code": code_digest(plan.jobs),
    }
