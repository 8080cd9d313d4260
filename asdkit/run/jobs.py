"""Jobs: one training and scoring per machine and detector, named by a hash of all that determines its result."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asdkit.audio import Channel
from asdkit.context import Context
from asdkit.data import Clip
from asdkit.errors import PluginError, SpecError
from asdkit.option_files import option_files
from asdkit.plugins import Plugin, Registry
from asdkit.spec import DetectorSettings, Spec
from asdkit.spec.settings import held_out_clips

# Raise it when the core changes what a job computes (kernels, sampling, training loop, pooling, this hash).
# CHANGELOG.md says so under "Scores may change".
RESULT_VERSION = 1


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip of a job, with the size and time of change [ns] of its file when the plan was made; -1 if missing."""

    clip: Clip
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Job:
    """One training and scoring: a machine and a detector with its final settings.

    Attributes
    ----------
    key
        Hash of all that determines the result.
    detectors
        Names of its detectors: tables of a spec with the same settings share one job.
    train
        Clips to train on.
    held
        Training clips held out: scored, never trained on. They are the same for all detectors of a machine.
    test
        Clips to score.
    plugins
        The detector, the featurizer, then the augmenters in the order of the detector's list.
    """

    key: str
    machine: str
    detectors: tuple[str, ...]
    settings: DetectorSettings
    train: tuple[PlannedClip, ...]
    held: tuple[PlannedClip, ...]
    test: tuple[PlannedClip, ...]
    seed: int
    sample_rate: int
    channel: Channel
    containers: tuple[str, ...]
    plugins: tuple[Plugin, ...] = field(repr=False)

    @property
    def title(self) -> str:
        """Its name in messages: ``fan G``."""
        return f"{self.machine} {'='.join(self.detectors)}"

    @property
    def clips(self) -> tuple[PlannedClip, ...]:
        """All clips: training clips, clips held out, test clips."""
        return (*self.train, *self.held, *self.test)

    def groups(self) -> dict[str, list[PlannedClip]]:
        """Return the training clips of each fit: by id, or all of them under ``""`` if the ids share one detector."""
        if self.settings.scope == "machine":
            return {"": list(self.train)}
        groups: dict[str, list[PlannedClip]] = {}
        for clip in self.train:
            groups.setdefault(clip.clip.id, []).append(clip)
        return groups

    @property
    def folder(self) -> str:
        """Its folder within ``jobs`` and ``work`` of the run folder."""
        return f"{self.machine}/{self.key}"


def make_jobs(spec: Spec, clips: Sequence[Clip], registry: Registry) -> list[Job]:
    """Make the jobs of a spec, machine by machine.

    Raises
    ------
    SpecError
        For settings that do not fit the clips, such as a classifier for a machine with one id.
    """
    by_machine: dict[str, list[Clip]] = {}
    for clip in clips:
        by_machine.setdefault(clip.machine, []).append(clip)
    problems: list[str] = []
    for machine, machine_clips in by_machine.items():
        ids = {c.id for c in machine_clips if c.split == "train"}
        problems += [f"{p} (machine {machine})" for p in spec.problems(machine, len(ids))]
    if problems:
        raise SpecError.of(list(dict.fromkeys(problems)))
    source_digests: dict[str, str] = {}
    jobs: list[Job] = []
    for machine, machine_clips in by_machine.items():
        split = _split(machine_clips, spec)
        by_key: dict[str, Job] = {}
        for name, settings in spec.detectors_for(machine).items():
            job = _make_job(spec, machine, name, settings, split, registry, source_digests)
            if same := by_key.get(job.key):
                job = replace(same, detectors=(*same.detectors, name))
            by_key[job.key] = job
        jobs += by_key.values()
    return jobs


def hold_out(clips: Sequence[PlannedClip], share: float, seed: int) -> list[PlannedClip]:
    """Select the training clips of one machine to hold out: the given share of each id's clips, rounded.

    The selection follows from the seed, the machine, the id and the number of clips. At least one clip of each id is
    left to train on.
    """
    by_id: dict[str, list[PlannedClip]] = {}
    for planned in clips:
        if planned.clip.split == "train":
            by_id.setdefault(planned.clip.id, []).append(planned)
    held: list[PlannedClip] = []
    for id_, id_clips in by_id.items():
        rng = Context(seed=seed).rng(f"held out/{id_clips[0].clip.machine}/{id_}")
        selected = rng.permutation(len(id_clips))[: held_out_clips(len(id_clips), share)]
        held += [id_clips[i] for i in sorted(selected)]
    return held


def source_digest(module: str) -> str:
    """Return the SHA-256 of the source files of a plugin's package (or single module), names included."""
    top = module.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ModuleNotFoundError(f"no module {top!r}")
    files: list[tuple[str, Path]] = []
    for root in spec.submodule_search_locations or ():
        files += [(p.relative_to(root).as_posix(), p) for p in Path(root).rglob("*.py")]
    if not files and spec.origin:
        files = [(Path(spec.origin).name, Path(spec.origin))]
    digest = hashlib.sha256()
    for name, path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Split:
    """A machine's clips by use, and digests of their names, ids and files, and of their domains and attributes."""

    train: tuple[PlannedClip, ...]
    held: tuple[PlannedClip, ...]
    test: tuple[PlannedClip, ...]
    digest: str
    conditions: str


def _split(clips: Sequence[Clip], spec: Spec) -> _Split:
    planned = [_planned(c) for c in clips]
    held = hold_out(planned, spec.calibration.held_out, spec.seed)
    held_names = {c.clip.name for c in held}
    train = tuple(c for c in planned if c.clip.split == "train" and c.clip.name not in held_names)
    test = tuple(c for c in planned if c.clip.split == "test")
    digest = hashlib.sha256()
    for use, some in (("train", train), ("held", held), ("test", test)):
        # never a clip's label: a job must not know it
        facts = [[c.clip.name, c.clip.id, use, c.size, c.mtime_ns] for c in some]
        digest.update(json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogateescape"))
    known = [
        [c.clip.name, c.clip.domain, sorted(c.clip.attributes.items())]
        for c in (*train, *held, *test)
        if c.clip.domain or c.clip.attributes
    ]
    text = json.dumps(known, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return _Split(train, tuple(held), test, digest.hexdigest(), hashlib.sha256(text).hexdigest() if known else "")


def uses_conditions(detector: Plugin) -> bool:
    """Whether a detector gets the domains and attributes of clips: those written for plugin API 2 do."""
    return detector.entry is not None and detector.entry.api_version >= 2


def _planned(clip: Clip) -> PlannedClip:
    try:
        status = os.stat(clip.path)
    except OSError:
        return PlannedClip(clip, -1, -1)  # missing, or a broken link: `check_audio` reports it
    return PlannedClip(clip, status.st_size, status.st_mtime_ns)


def _make_job(
    spec: Spec,
    machine: str,
    name: str,
    settings: DetectorSettings,
    split: _Split,
    registry: Registry,
    source_digests: dict[str, str],
) -> Job:
    plugins = (
        registry.find("detector", settings.use),
        registry.find("featurizer", settings.featurizer.use),
        *(registry.find("augmenter", a.use) for a in settings.augmenters),
    )
    determinants: dict[str, Any] = {
        "result_version": RESULT_VERSION,
        "machine": machine,
        "settings": settings.canonical(),
        "seed": spec.seed,
        "sample_rate": spec.data.sample_rate,
        "channel": spec.data.channel,
        "sources": sorted([f"{p.kind}:{p.name}", *_plugin_digests(p, source_digests)] for p in plugins),
        "clips": split.digest,
    }
    if split.conditions and uses_conditions(plugins[0]):
        determinants["conditions"] = split.conditions
    if files := option_files(settings.configs, spec.path.parent):
        determinants["files"] = files  # absent without such options: their keys stay as they were
    text = json.dumps(determinants, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return Job(
        key=hashlib.sha256(text.encode()).hexdigest()[:20],
        machine=machine,
        detectors=(name,),
        settings=settings,
        train=split.train,
        held=split.held,
        test=split.test,
        seed=spec.seed,
        sample_rate=spec.data.sample_rate,
        channel=spec.data.channel,
        containers=spec.data.containers,
        plugins=plugins,
    )


def _plugin_digests(plugin: Plugin, source_digests: dict[str, str]) -> list[str]:
    """Return the digests of the packages that hold a plugin's hook, options and class; `source_digests` keeps them."""
    entry = plugin.entry
    assert entry is not None  # the registry finds only plugins that have one
    target = entry.target if isinstance(entry.target, str) else entry.target.__module__
    packages = {name.partition(":")[0].partition(".")[0] for name in (plugin.module, target, entry.config.__module__)}
    for package in packages - source_digests.keys():
        try:
            source_digests[package] = source_digest(package)
        except ModuleNotFoundError as error:
            raise PluginError(
                f"{plugin.kind} {plugin.name!r} of {plugin.distribution}: {error}",
                hint=f"Its entry names a class in {target!r}; reinstall or update {plugin.distribution}.",
            ) from None
    return [source_digests[package] for package in sorted(packages)]
