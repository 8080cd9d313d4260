"""A spec and its clips, turned into jobs: what is done, what is left, and under which name it lies."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdkit.context import Context
from asdkit.data import Clip
from asdkit.errors import PluginError, SpecError

if TYPE_CHECKING:
    from asdkit.plugins import Plugin, Registry
    from asdkit.spec import DetectorSettings, Spec


# Raise it when the core changes what a job computes (kernels, sampling, training loop, pooling, this hash).
# CHANGELOG.md says so under "Scores may change".
RESULT_VERSION = 1


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip of a job, with what was known of its file when the plan was made."""

    clip: Clip
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Job:
    """One training and scoring: a machine and a detector after merging.

    Attributes
    ----------
    key
        Hash of all that determines the result.
    detectors
        Names of the detectors that it serves: tables that resolve to the same settings share one job.
    train
        Clips to learn from.
    held
        Training clips that are kept from learning and only scored; the same for all detectors of a machine.
    test
        Clips to score.
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
    channel: str | int
    containers: tuple[str, ...]
    plugins: tuple[Plugin, ...] = field(repr=False)

    @property
    def title(self) -> str:
        """What a person calls it: ``fan G``."""
        return f"{self.machine} {'='.join(self.detectors)}"

    @property
    def clips(self) -> tuple[PlannedClip, ...]:
        """All its clips: to learn from, held out, to score."""
        return (*self.train, *self.held, *self.test)

    @property
    def folder(self) -> str:
        """Where it lies in the run folder's ``jobs``."""
        return f"{self.machine}/{self.key}"


def make_jobs(spec: Spec, clips: Sequence[Clip], registry: Registry) -> list[Job]:
    """Turn a spec into jobs, machine by machine.

    Raises
    ------
    SpecError
        For settings that cannot go with the clips, such as a classifier for a machine with one id.
    """
    by_machine: dict[str, list[Clip]] = {}
    for clip in clips:
        by_machine.setdefault(clip.machine, []).append(clip)
    problems: list[str] = []
    for machine, its in by_machine.items():
        ids = {c.id for c in its if c.split == "train"}
        problems += [f"{p} (machine {machine})" for p in spec.problems(machine, len(ids))]
    if problems:
        raise SpecError.of(list(dict.fromkeys(problems)))
    digests: dict[str, str] = {}
    jobs: list[Job] = []
    for machine, its in by_machine.items():
        shares = _share_out(its, spec)
        merged: dict[str, Job] = {}
        for name, settings in spec.detectors_for(machine).items():
            job = _make_job(spec, machine, name, settings, shares, registry, digests)
            if job.key in merged:
                job = merged[job.key] = _sharing(merged[job.key], name)
            merged[job.key] = job
        jobs += merged.values()
    return jobs


@dataclass(frozen=True)
class _Shares:
    """A machine's clips, and the digest of all that is known of them: the same for all its detectors."""

    train: tuple[PlannedClip, ...]
    held: tuple[PlannedClip, ...]
    test: tuple[PlannedClip, ...]
    digest: str


def _share_out(clips: Sequence[Clip], spec: Spec) -> _Shares:
    planned = [_planned(c) for c in clips]
    held = hold_out(planned, spec.calibration.held_out, spec.seed)
    kept = {c.clip.name for c in held}
    train = tuple(c for c in planned if c.clip.split == "train" and c.clip.name not in kept)
    test = tuple(c for c in planned if c.clip.split == "test")
    digest = hashlib.sha256()
    for what, several in (("train", train), ("held", held), ("test", test)):
        # never a clip's label: a job must not know it
        known = [[c.clip.name, c.clip.id, what, c.size, c.mtime_ns] for c in several]
        digest.update(json.dumps(known, ensure_ascii=False).encode("utf-8", "surrogateescape"))
    return _Shares(train, tuple(held), test, digest.hexdigest())


def hold_out(clips: Sequence[PlannedClip], share: float, seed: int) -> list[PlannedClip]:
    """Draw the training clips of one machine that no detector learns from: of each id its share, rounded.

    Which ones follows from the seed, the machine, the id and the number of clips. One clip of each id is left to
    learn from.
    """
    by_id: dict[str, list[PlannedClip]] = {}
    for planned in clips:
        if planned.clip.split == "train":
            by_id.setdefault(planned.clip.id, []).append(planned)
    held: list[PlannedClip] = []
    for id_, its in by_id.items():
        order = Context(seed=seed).rng(f"held out/{its[0].clip.machine}/{id_}").permutation(len(its))
        drawn = order[: min(round(share * len(its)), len(its) - 1)]
        held += [its[i] for i in sorted(drawn)]
    return held


def _planned(clip: Clip) -> PlannedClip:
    try:
        status = os.stat(clip.path)
    except OSError:
        return PlannedClip(clip, -1, -1)  # missing, or a link to nothing: the check says so
    return PlannedClip(clip, status.st_size, status.st_mtime_ns)


def _sharing(job: Job, name: str) -> Job:
    from dataclasses import replace

    return replace(job, detectors=(*job.detectors, name))


def _make_job(
    spec: Spec,
    machine: str,
    name: str,
    settings: DetectorSettings,
    shares: _Shares,
    registry: Registry,
    digests: dict[str, str],
) -> Job:
    plugins = (
        registry.find("detector", settings.use),
        registry.find("featurizer", settings.featurizer.use),
        *(registry.find("augmenter", a.use) for a in settings.augmenters),
    )
    determines: dict[str, Any] = {
        "result_version": RESULT_VERSION,
        "machine": machine,
        "settings": settings.canonical(),
        "seed": spec.seed,
        "sample_rate": spec.data.sample_rate,
        "channel": spec.data.channel,
        "sources": sorted([f"{p.kind}:{p.name}", *_digests(p, digests)] for p in plugins),
        "clips": shares.digest,
    }
    text = json.dumps(determines, sort_keys=True, ensure_ascii=False, allow_nan=False)
    key = hashlib.sha256(text.encode()).hexdigest()[:20]
    return Job(
        key,
        machine,
        (name,),
        settings,
        shares.train,
        shares.held,
        shares.test,
        spec.seed,
        spec.data.sample_rate,
        spec.data.channel,
        spec.data.containers,
        plugins,
    )


def _digests(plugin: Plugin, known: dict[str, str]) -> list[str]:
    """Digests of the packages that a plugin's hook, options and class lie in."""
    entry = plugin.entry
    assert entry is not None  # a plugin that was found has one
    target = entry.target if isinstance(entry.target, str) else entry.target.__module__
    packages = {name.partition(":")[0].partition(".")[0] for name in (plugin.module, target, entry.config.__module__)}
    for package in packages - known.keys():
        try:
            known[package] = source_digest(package)
        except ModuleNotFoundError as error:
            raise PluginError(
                f"{plugin.kind} {plugin.name!r} of {plugin.distribution}: {error}",
                hint=f"Its entry names a class in {target!r}; reinstall or update {plugin.distribution}.",
            ) from None
    return [known[package] for package in sorted(packages)]


def source_digest(module: str) -> str:
    """SHA-256 over the source files of a plugin's package (or single module), names included."""
    top = module.partition(":")[0].partition(".")[0]
    found = importlib.util.find_spec(top)
    if found is None:
        raise ModuleNotFoundError(f"no module {top!r}")
    files: list[tuple[str, Path]] = []
    for root in found.submodule_search_locations or ():
        files += [(p.relative_to(root).as_posix(), p) for p in Path(root).rglob("*.py")]
    if not files and found.origin:
        files = [(Path(found.origin).name, Path(found.origin))]
    digest = hashlib.sha256()
    for name, path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
