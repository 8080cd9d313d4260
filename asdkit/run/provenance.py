"""What a run was made from: its settings as stored, and digests of data, settings and code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from asdkit.option_files import option_files
from asdkit.run.job import versions
from asdkit.run.jobs import Job, source_digest
from asdkit.run.plan import Plan
from asdkit.run.records import (
    CalibrationRecord,
    DataRecord,
    DetectorRecord,
    SettingsRecord,
    SystemRecord,
)
from asdkit.spec import Spec


def provenance(spec: Spec, jobs: Sequence[Job], recordings: Mapping[str, str]) -> dict[str, str]:
    """Compute digests of what determines the results of a run.

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
    digests
        ``data``: name, content, split, id, label and domain of each recording. ``settings``: all settings after
        merging, seed and files that options name included; neither where the data are nor what computed them.
        ``code``: source of asdkit and of the plugins used.
    """
    clips = {p.clip.name: p.clip for job in jobs for p in job.clips}
    recorded = [
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
    data = spec.data
    layout = spec.layout.canonical() if spec.layout.config.model_dump() else spec.layout.use
    data_keys = [layout, data.sample_rate, data.channel, spec.calibration.held_out]
    settings = [spec.seed, *data_keys, machines, systems, *_option_files(spec, jobs)]
    return {"data": _digest(recorded), "settings": _digest(settings), "code": _code_digest(jobs)}


def settings_record(plan: Plan) -> SettingsRecord:
    """Collect all settings after merging, the edits (``--set``) that the spec's text does not have, and versions."""
    spec = plan.spec
    machines: dict[str, dict[str, DetectorRecord]] = {}
    for job in plan.jobs:
        for name in job.detectors:
            detector = DetectorRecord.model_validate({**job.settings.canonical(), "job": job.folder})
            machines.setdefault(job.machine, {})[name] = detector
    return SettingsRecord(
        name=spec.name,
        set=list(spec.sets),
        seed=spec.seed,
        data=DataRecord(
            layout=spec.data.layout,
            layout_options=spec.layout.config.model_dump(mode="json"),
            root=str(spec.data.root),
            ground_truth=[str(path) for path in spec.data.ground_truth],
            sample_rate=spec.data.sample_rate,
            channel=spec.data.channel,
            containers=list(spec.data.containers),
            on_bad_audio=spec.data.on_bad_audio,
        ),
        compute=spec.compute.model_dump(mode="json"),
        calibration=CalibrationRecord.model_validate(spec.calibration.model_dump(mode="json")),
        machines=machines,
        systems={
            name: SystemRecord(
                members=list(s.members),
                fuser=None if s.fuser is None else {"use": s.fuser.use, **s.fuser.config.model_dump(mode="json")},
            )
            for name, s in spec.systems.items()
        },
        files={file.name: file.sha256 for file in plan.files},
        versions=versions(),
    )


def signature(plan: Plan) -> dict[str, Any]:
    """Describe what all shards of a run have in common wherever they ran: settings, recordings and code, as JSON."""
    settings = settings_record(plan).model_dump()
    for key in ("set", "compute", "versions", "files"):
        del settings[key]
    del settings["data"]["root"], settings["data"]["ground_truth"]
    for detectors in settings["machines"].values():
        for detector in detectors.values():
            del detector["job"]  # depends on times of change as well, which a copy may not keep
    clips = {p.clip.name: [p.clip.machine, p.clip.id, p.clip.split, p.size] for job in plan.jobs for p in job.clips}
    text = json.dumps(sorted(clips.items()), ensure_ascii=False)
    return {
        "settings": settings,
        "recordings": {"clips": len(clips), "sha256": _sha256(text)},
        "code": _code_digest(plan.jobs),
        **{f"file {name}": digest for name, digest in _option_files(plan.spec, plan.jobs)},
    }


def _option_files(spec: Spec, jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """Return the files that options of plugins name, and their digests: of the jobs and of the fusers."""
    configs = [config for job in jobs for config in job.settings.configs]
    return option_files(configs + spec.fuser_configs, spec.path.parent)


def _code_digest(jobs: Sequence[Job]) -> str:
    """Compute a digest of the source of asdkit and of the plugins that jobs use."""
    modules = sorted({plugin.module for job in jobs for plugin in job.plugins})
    return _digest([source_digest("asdkit"), *(source_digest(module) for module in modules)])


def _digest(value: Any) -> str:
    return _sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
