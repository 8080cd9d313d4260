"""Take one system on one machine out of a finished run, as the content of a bundle; the run folder is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asdkit.bundle.description import (
    FORMAT,
    Description,
    FeaturizerPart,
    FilePart,
    FuserPart,
    IdPart,
    MemberPart,
    RecordedPart,
    RulePart,
)
from asdkit.bundle.members import find_plugin, plugin_config
from asdkit.errors import DataError, UsageError
from asdkit.option_files import FileLookup, FilePath, stored_files
from asdkit.plugins import Kind, Registry
from asdkit.run.fusion import Fused, fuse_members, with_weight
from asdkit.run.records import ClipRecord, DetectorRecord, JobRecord, PluginRecord
from asdkit.run.score_table import RunSplit
from asdkit.run.state_codec import encode_state, encoded_state
from asdkit.run.store import (
    FEATURIZER,
    RunPaths,
    read_job,
    read_job_scores,
    read_settings,
    state_name,
    stored_file,
    verify,
)
from asdkit.scoring import DoubleArray
from asdkit.spec import PluginSettings
from asdkit.text import printable, suggestion_or_choices


def take(
    folder: Path, system: str | None, machine: str | None, registry: Registry
) -> tuple[Description, dict[str, bytes]]:
    """Take one system on one machine out of a run.

    Returns
    -------
    description, files
        As a bundle holds them.

    Raises
    ------
    UsageError
        If the run has no such system or machine, or several and none was named.
    DataError
        If the folder holds no run, or the run is not finished or damaged.
    """
    paths = RunPaths(folder)
    where = printable(str(folder))
    settings = read_settings(paths)
    machine = _choose("machine", machine, list(settings.machines), where)
    detectors, systems = settings.machines[machine], settings.systems
    name = _choose("system", system, list(systems) or list(detectors), where, [*systems, *detectors])
    names, fuser_table = (systems[name].members, systems[name].fuser) if name in systems else ([name], None)
    fuser = None if fuser_table is None else _as_plugin(fuser_table)
    jobs = {member: _read_member(paths, detectors[member]) for member in names}
    no_weight = {member: job.record.no_weight for member, job in jobs.items() if job.record.no_weight}
    jobs = {member: jobs[member] for member in with_weight(names, no_weight)}
    first = next(iter(jobs.values())).record
    distribution = partial(_distribution, where, registry)
    stored = [stored_file(paths, name, digest) for name, digest in sorted(settings.files.items())]
    fused, scores = _fuse(where, fuser, list(jobs.values()), registry, stored_files(stored))
    files: dict[str, bytes] = {}
    ids = _add_ids(first, fused, scores, files)
    featurizers, members = _add_members(jobs, distribution, files)
    description = Description(
        format=FORMAT,
        name=settings.name,
        machine=machine,
        system=name,
        sample_rate=settings.data.sample_rate,
        channel=settings.data.channel,
        containers=tuple(settings.data.containers),
        clip_seconds=_clip_seconds(first, settings.data.sample_rate),
        recorded=_recorded(first, settings.data.sample_rate),
        ids=ids,
        featurizers=featurizers,
        members=members,
        fuser=_add_fuser(fuser, fused, distribution, files),
        files=_add_files(stored, [job.detector for job in jobs.values()], fuser, files),
        rule=RulePart(false_alarm_rate=settings.calibration.false_alarm_rate, threshold=settings.calibration.threshold),
        versions=first.versions,
        no_weight=no_weight,
    )
    return description, files


@dataclass(frozen=True)
class _MemberJob:
    """The finished job of a member.

    Attributes
    ----------
    scores
        Clip scores by name of clip.
    states
        Files of the trained detectors by id; under ``""`` where all ids share one.
    featurizer
        File of the fitted featurizer; None if it has no state.
    """

    detector: DetectorRecord
    record: JobRecord
    scores: dict[str, float]
    states: dict[str, bytes]
    featurizer: bytes | None


def _read_member(paths: RunPaths, detector: DetectorRecord) -> _MemberJob:
    folder = paths.job(detector.job)
    where = printable(str(folder))
    if not folder.is_dir():
        raise DataError(f"{where}: this job is not done", hint="`asdkit run` continues with what is left.")
    if fault := verify(folder):
        raise DataError(f"{where}: {fault}", hint="`asdkit run` does it again.")
    record = read_job(folder)
    ids = [""] if detector.scope == "machine" else sorted(set(_ids(record, "train")))
    states = {id_: (folder / state_name(id_)).read_bytes() for id_ in ids}
    featurizer = (folder / FEATURIZER).read_bytes() if (folder / FEATURIZER).exists() else None
    return _MemberJob(detector, record, read_job_scores(folder, record), states, featurizer)


def _clips(record: JobRecord, *splits: RunSplit) -> list[ClipRecord]:
    return [clip for clip in record.clips if clip.split in splits]


def _ids(record: JobRecord, split: RunSplit) -> list[str]:
    return [clip.id for clip in _clips(record, split)]


def _clip_seconds(record: JobRecord, sample_rate: int) -> float | None:
    """Median length of the clips that detectors were trained on [s]; None if the job did not note it."""
    lengths = [clip.samples for clip in _clips(record, "train")]
    if not lengths or None in lengths:
        return None
    return float(np.median(np.array(lengths, dtype=np.int64))) / sample_rate


def _recorded(record: JobRecord, sample_rate: int) -> RecordedPart | None:
    """Own format of all training clips, those held out included; None if the job did not note it."""
    clips = _clips(record, "train", "held")
    lengths = [clip.samples / sample_rate for clip in clips if clip.samples is not None]
    rates = [clip.sample_rate for clip in clips if clip.sample_rate is not None]
    if not clips or len(lengths) < len(clips) or len(rates) < len(clips):
        return None
    levels = _levels(clips)
    return RecordedPart(rates=tuple(sorted(set(rates))), shortest=min(lengths), longest=max(lengths), **levels)


def _levels(clips: Sequence[ClipRecord]) -> dict[str, float]:
    """Levels of the clips that are not silent; empty if there are none, or the job did not note the levels."""
    sounding = [clip for clip in clips if not (clip.silent or clip.cancelled)]
    rms = [clip.rms for clip in sounding if clip.rms]
    peaks = [clip.peak for clip in sounding if clip.peak]
    if not sounding or len(rms) < len(sounding) or len(peaks) < len(sounding):
        return {}
    return {"quietest": min(rms), "loudest": max(rms), "peak": max(peaks)}


def _choose(what: str, name: str | None, default_from: list[str], where: str, known: list[str] | None = None) -> str:
    choices = known or default_from
    if name is None:
        if len(default_from) == 1:
            return default_from[0]
        raise UsageError(f"{where} has several {what}s; say which with --{what}: {', '.join(choices)}")
    if name not in choices:
        raise UsageError(f"{where} has no {what} {name!r}{suggestion_or_choices(name, choices)}")
    return name


def _as_plugin(fuser: Mapping[str, Any]) -> PluginRecord:
    return PluginRecord(use=fuser["use"], config={key: value for key, value in fuser.items() if key != "use"})


def _distribution(where: str, registry: Registry, kind: Kind, use: str) -> str:
    return find_plugin(where, registry, kind, use).distribution


def _fuse(
    where: str, fuser: PluginRecord | None, jobs: Sequence[_MemberJob], registry: Registry, files: FileLookup
) -> tuple[Fused, DoubleArray]:
    """Fuse the members' scores as the run did, the same clips by the same code; return these scores, too."""
    clips = jobs[0].record.clips
    try:
        scores = np.array([[job.scores[clip.name] for job in jobs] for clip in clips])
    except KeyError as error:
        raise DataError(f"{where}: not every member scored {error}") from None
    train, held = (np.array([clip.split == split for clip in clips], dtype=bool) for split in ("train", "held"))
    settings = None
    if fuser is not None:
        entry = find_plugin(where, registry, "fuser", fuser.use).entry
        assert entry is not None  # a plugin that was found has one
        config = plugin_config(where, "fuser", fuser.use, entry.config, fuser.config, files)
        settings = PluginSettings(fuser.use, config)
    return fuse_members(settings, scores, [clip.id for clip in clips], train, held, registry), scores


def _add_ids(record: JobRecord, fused: Fused, scores: DoubleArray, files: dict[str, bytes]) -> tuple[IdPart, ...]:
    """Describe each id; add the scores of its clips held out, fused and by member, to `files`."""
    train, held = _ids(record, "train"), _ids(record, "held")
    parts = []
    for number, id_ in enumerate(sorted(set(train))):
        file = None
        if id_ in fused.reference:
            file = f"references/{number}.safetensors"
            own = [clip.split == "held" and clip.id == id_ for clip in record.clips]
            files[file] = encode_state({"scores": fused.reference[id_], "members": scores[own]})
        parts.append(IdPart(name=id_, learnt=train.count(id_), held_out=held.count(id_), reference=file))
    return tuple(parts)


def _add_members(
    jobs: Mapping[str, _MemberJob], distribution: Callable[[Kind, str], str], files: dict[str, bytes]
) -> tuple[tuple[FeaturizerPart, ...], tuple[MemberPart, ...]]:
    """Describe the featurizers, each once, and the members; add their states to `files`."""
    featurizers: list[tuple[PluginRecord, bytes | None]] = []
    members = []
    for number, (name, job) in enumerate(jobs.items()):
        detector = job.detector
        featurizer = (detector.featurizer, job.featurizer)
        if featurizer not in featurizers:
            featurizers.append(featurizer)
        states = {id_: f"members/{number}/{place}.safetensors" for place, id_ in enumerate(job.states)}
        files |= {states[id_]: data for id_, data in job.states.items()}
        member = {
            "name": name,
            "use": detector.use,
            "config": detector.config,
            "distribution": distribution("detector", detector.use),
            "featurizer": featurizers.index(featurizer),
            "frames": detector.frames,
            "hop": detector.hop or 1,  # windows that are whole clips have none
            "pool": detector.pool,
            "states": states,
        }
        members.append(MemberPart.model_validate(member))
    parts = []
    for number, (record, state) in enumerate(featurizers):
        file = None if state is None else f"featurizers/{number}.safetensors"
        if file is not None and state is not None:
            files[file] = state
        source = distribution("featurizer", record.use)
        parts.append(FeaturizerPart(use=record.use, config=record.config, distribution=source, state=file))
    return tuple(parts), tuple(members)


def _add_fuser(
    fuser: PluginRecord | None, fused: Fused, distribution: Callable[[Kind, str], str], files: dict[str, bytes]
) -> FuserPart | None:
    """Describe the fuser; add its state to `files`."""
    if fuser is None or fused.fuser is None:
        return None
    files["fuser.safetensors"] = encoded_state(fused.fuser)
    return FuserPart(
        use=fuser.use,
        config=fuser.config,
        distribution=distribution("fuser", fuser.use),
        state="fuser.safetensors",
    )


def _add_files(
    stored: Sequence[FilePath],
    detectors: Sequence[DetectorRecord],
    fuser: PluginRecord | None,
    files: dict[str, bytes],
) -> tuple[FilePart, ...]:
    """Describe the files that options of this system name; add their content to `files`."""
    plugins = [plugin for each in detectors for plugin in (each, each.featurizer)] + ([fuser] if fuser else [])
    texts = {text for plugin in plugins for text in _texts(plugin.config)}
    parts = [FilePart(name=file.name, sha256=file.sha256, size=file.size) for file in stored if file.name in texts]
    files |= {part.entry: file.read() for file in stored for part in parts if part.name == file.name}
    return tuple(parts)


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in options."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
