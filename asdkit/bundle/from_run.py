"""From a finished run to what a bundle is made of; the run's own files are enough."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asdkit.bundle.description import (
    FORMAT,
    Description,
    FuserPart,
    IdPart,
    MemberPart,
    PluginPart,
    RecordedPart,
    RulePart,
)
from asdkit.bundle.members import find_plugin, plugin_config
from asdkit.errors import AsdkitError, DataError, UsageError
from asdkit.plugins import Kind, Registry
from asdkit.run.fusion import Fused, fuse_members
from asdkit.run.state import encode_state
from asdkit.run.store import verify
from asdkit.spec import FuserSettings
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
        If it is no run, not finished, or damaged.
    """
    settings = _settings(folder)
    machine = _chosen("machine", machine, list(settings["machines"]), folder)
    detectors: dict[str, Any] = settings["machines"][machine]
    systems: dict[str, Any] = settings["systems"]
    name = _chosen("system", system, list(systems) or list(detectors), folder, [*systems, *detectors])
    made_of = systems.get(name, {"members": [name], "fuser": None})
    members = {member: _Job(folder, detectors[member]) for member in made_of["members"]}
    first = next(iter(members.values()))
    source = partial(_distribution, printable(str(folder)), registry)
    fused = _fused(folder, made_of["fuser"], members, registry)
    files: dict[str, bytes] = {}
    ids = _take_ids(first, fused, files)
    featurizers, parts = _take_members(members, source, files)
    fuser = None
    if fused.fuser is not None:
        files["fuser.safetensors"] = encode_state(fused.fuser.state())
        plugin = _plugin(made_of["fuser"])
        fuser = FuserPart(**plugin, distribution=source("fuser", plugin["use"]), state="fuser.safetensors")
    rule = settings["calibration"]
    description = Description(
        format=FORMAT,
        name=settings["name"],
        machine=machine,
        system=name,
        sample_rate=settings["data"]["sample_rate"],
        channel=settings["data"]["channel"],
        containers=tuple(settings["data"].get("containers", ())),
        clip_seconds=first.clip_seconds(settings["data"]["sample_rate"]),
        recorded=first.recorded(settings["data"]["sample_rate"]),
        ids=ids,
        featurizers=featurizers,
        members=parts,
        fuser=fuser,
        rule=RulePart(false_alarm_rate=rule["false_alarm_rate"], threshold=rule["threshold"]),
        versions=first.record["versions"],
    )
    return description, files


def _take_ids(job: _Job, fused: Fused, files: dict[str, bytes]) -> tuple[IdPart, ...]:
    """Each id, and into `files` the scores of its clips held out."""
    ids = []
    for number, id_ in enumerate(sorted(set(job.ids_of("train")))):
        file = None
        if id_ in fused.reference:
            file = f"references/{number}.safetensors"
            files[file] = encode_state({"scores": fused.reference[id_]})
        learnt, held_out = (job.ids_of(split).count(id_) for split in ("train", "held"))
        ids.append(IdPart(name=id_, learnt=learnt, held_out=held_out, reference=file))
    return tuple(ids)


def _take_members(
    jobs: Mapping[str, _Job], source: Callable[[Kind, str], str], files: dict[str, bytes]
) -> tuple[tuple[PluginPart, ...], tuple[MemberPart, ...]]:
    """Featurizers, each once, and members; into `files` what these learnt."""
    featurizers: list[dict[str, Any]] = []
    members = []
    for number, (name, job) in enumerate(jobs.items()):
        its = job.settings["featurizer"]
        if its not in featurizers:
            featurizers.append(its)
        states = {}
        for place, (id_, data) in enumerate(job.states().items()):
            states[id_] = f"members/{number}/{place}.safetensors"
            files[states[id_]] = data
        brought = source("detector", job.settings["use"])
        members.append(_member(name, job.settings, brought, featurizers.index(its), states))
    made = tuple(PluginPart(**table, distribution=source("featurizer", table["use"])) for table in featurizers)
    return made, tuple(members)


class _Job:
    """A finished job of a run: its record, its clip scores, what was learnt."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder / "jobs" / settings["job"]
        self.settings = settings
        if not self.folder.is_dir():
            raise DataError(
                f"{printable(str(self.folder))}: this job is not done", hint="`asdkit run` goes on with what is left."
            )
        fault = verify(self.folder)
        if fault is not None:
            raise DataError(f"{printable(str(self.folder))}: {fault}", hint="`asdkit run` does it again.")
        from safetensors.numpy import load_file

        self.record: dict[str, Any] = json.loads((self.folder / "job.json").read_bytes())
        values = load_file(self.folder / "scores.safetensors")["clip_scores"]
        self.clips: list[dict[str, Any]] = self.record["clips"]
        self.scores = dict(zip([c["name"] for c in self.clips], values, strict=True))

    def split(self) -> list[str]:
        """``"train"``, ``"held"`` or ``"test"`` of each clip."""
        return ["held" if c["held_out"] else c["split"] for c in self.clips]

    def ids_of(self, split: str) -> list[str]:
        """Ids of the clips of a split."""
        return [c["id"] for c, its in zip(self.clips, self.split(), strict=True) if its == split]

    def clip_seconds(self, sample_rate: int) -> float | None:
        """Median length of the clips learnt from [s]; None of jobs that did not note it."""
        learnt = [c for c, its in zip(self.clips, self.split(), strict=True) if its == "train"]
        if not learnt or any("samples" not in clip for clip in learnt):
            return None
        return float(np.median([clip["samples"] for clip in learnt])) / sample_rate

    def recorded(self, sample_rate: int) -> RecordedPart | None:
        """How the training clips were made, those held out included; None of jobs that did not note it."""
        healthy = [c for c, its in zip(self.clips, self.split(), strict=True) if its != "test"]
        if not healthy or any("sample_rate" not in clip for clip in healthy):
            return None
        lengths = [clip["samples"] / sample_rate for clip in healthy]
        rates = tuple(sorted({clip["sample_rate"] for clip in healthy}))
        return RecordedPart(rates=rates, shortest=min(lengths), longest=max(lengths))

    def states(self) -> dict[str, bytes]:
        """What was learnt, by id; under ``""`` where all ids share a detector."""
        if self.settings["scope"] == "machine":
            return {"": (self.folder / "state.safetensors").read_bytes()}
        trained = sorted(set(self.ids_of("train")))
        return {id_: (self.folder / f"state-{id_}.safetensors").read_bytes() for id_ in trained}


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((folder / "settings.json").read_bytes())
        for key in ("name", "data", "machines", "systems", "calibration"):
            settings[key]
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{printable(str(folder))} is no run: settings.json is missing", hint="`asdkit run SPEC` makes one."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{printable(str(folder))}: settings.json cannot be read ({type(error).__name__}: {error})",
            hint="`asdkit run SPEC` writes it again; finished jobs are kept.",
        ) from None
    return settings


def _chosen(what: str, name: str | None, default_from: list[str], folder: Path, known: list[str] | None = None) -> str:
    choices = known or default_from
    if name is None:
        if len(default_from) == 1:
            return default_from[0]
        raise UsageError(f"{printable(str(folder))} has several {what}s; say which with --{what}: {', '.join(choices)}")
    if name not in choices:
        raise UsageError(f"{printable(str(folder))} has no {what} {name!r}{suggestion_or_choices(name, choices)}")
    return name


def _fused(folder: Path, fuser: Mapping[str, Any] | None, members: Mapping[str, _Job], registry: Registry) -> Fused:
    """Fuse as the run did: the same clips, the same code."""
    first = next(iter(members.values()))
    names = [c["name"] for c in first.clips]
    try:
        scores = np.array([[job.scores[name] for job in members.values()] for name in names])
    except KeyError as error:
        raise DataError(f"{printable(str(folder))}: not every member scored {error}") from None
    train, held = (np.array([s == split for s in first.split()], dtype=bool) for split in ("train", "held"))
    settings = None
    if fuser is not None:
        part = _plugin(fuser)
        found = find_plugin(printable(str(folder)), registry, "fuser", part["use"]).entry
        assert found is not None  # a good plugin has one
        config = plugin_config(printable(str(folder)), "fuser", part["use"], found.config, part["config"])
        settings = FuserSettings(part["use"], config)
    try:
        return fuse_members(settings, scores, [c["id"] for c in first.clips], train, held, registry)
    except ValueError as error:
        raise AsdkitError(f"{printable(str(folder))}: the fuser cannot be fitted: {error}") from None


def _distribution(where: str, registry: Registry, kind: Kind, use: str) -> str:
    return find_plugin(where, registry, kind, use).distribution


def _member(
    name: str, settings: Mapping[str, Any], distribution: str, featurizer: int, states: dict[str, str]
) -> MemberPart:
    return MemberPart(
        name=name,
        use=settings["use"],
        config=settings["config"],
        distribution=distribution,
        featurizer=featurizer,
        frames=settings["frames"],
        hop=settings["hop"] or 1,  # none is kept of windows that are whole clips
        pool=settings["pool"],
        states=states,
    )


def _plugin(table: Mapping[str, Any]) -> dict[str, Any]:
    """The name and the options of ``{"use": ..., option: ...}``."""
    return {"use": table["use"], "config": {key: value for key, value in table.items() if key != "use"}}
