"""What a run was made of, as its folder keeps it: all settings after merging, and what shards must have in common."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from asdkit.run.job import versions
from asdkit.run.provenance import code_digest

if TYPE_CHECKING:
    from asdkit.run.execute import Plan


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
