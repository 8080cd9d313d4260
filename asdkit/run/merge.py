"""Merge shards that ran apart into one run folder with results; shards of anything else are refused."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asdkit.errors import AsdkitError, DataError, UsageError
from asdkit.files import sync, sync_folder, write_atomic
from asdkit.plugins import Registry
from asdkit.run.jobs import Job
from asdkit.run.locks import locked
from asdkit.run.plan import Plan, Shard, make_plan
from asdkit.run.provenance import settings_record, signature
from asdkit.run.records import ShardRecord
from asdkit.run.results import Results
from asdkit.run.runner import finish, make_folder
from asdkit.run.store import RunPaths, read_shards, store_files, unchanged, verify, write_settings
from asdkit.spec import load_spec


@dataclass(frozen=True)
class FinishedShard:
    """The record of a shard, and the run folder that it is in."""

    paths: RunPaths
    record: ShardRecord

    @property
    def shard(self) -> Shard:
        """Which part of the plan it is."""
        return Shard(*self.record.shard)

    def __str__(self) -> str:
        return f"{self.paths.folder} (shard {self.shard})"


def merge(out: Path, folders: Sequence[Path], registry: Registry) -> tuple[Plan, Results]:
    """Merge shards into a run folder, and compute the results.

    Parameters
    ----------
    out
        The run folder to make; may be one that shards ran in.
    folders
        Folders that shards ran in.
    registry
        The plugins.

    Raises
    ------
    UsageError
        If a folder holds no shard, shards are missing, or they are not of one run; says in what they differ.
    DataError
        If the recordings are not those of the shards.
    AsdkitError
        If a shard is damaged or not finished.
    """
    begin = time.time()
    shards = [s for folder in dict.fromkeys([*folders, out]) for s in _read_shards(folder, required=folder != out)]
    _require_one_run(shards, out)
    first, record = shards[0], shards[0].record
    sets = [*record.sets, f"name={json.dumps(record.name)}", f"data.root={json.dumps(record.data.root)}"]
    sets.append(f"data.ground_truth={json.dumps(record.data.ground_truth)}")
    folder = first.paths.folder if record.data.spec_folder is None else Path(record.data.spec_folder)
    spec = load_spec(first.paths.spec, sets=sets, registry=registry, folder=folder)
    spec = replace(spec, path=folder / spec.path.name)
    plan = make_plan(spec, out, registry, machines=record.machines)
    if difference := _difference(record.signature, signature(plan)):
        raise DataError(
            f"{first} does not match the settings, recordings or code here: {difference}",
            hint="Merge where the same recordings and plugins are, or run the shards again.",
        )
    sources, failed = _find_jobs(plan, shards)
    make_folder(out, spec.data.root)
    with locked(out, None):
        write_atomic(plan.paths.spec, spec.text.encode())
        write_settings(plan.paths, settings_record(plan))
        store_files(plan.paths, plan.files)
        for job, source in sources:
            _copy(source, plan.paths.done(job))
        return plan, finish(plan, failed, begin)


def _read_shards(folder: Path, *, required: bool) -> list[FinishedShard]:
    paths = RunPaths(folder)
    shards = [FinishedShard(paths, record) for record in read_shards(paths)]
    if required and not shards:
        raise UsageError(
            f"{folder} holds no finished shard of a run", hint="Shards are made by: asdkit run SPEC --shard K/N"
        )
    return shards


def _require_one_run(shards: Sequence[FinishedShard], out: Path) -> None:
    if not shards:
        raise UsageError(f"no shard in {out}", hint="Name the folders of the shards: asdkit merge OUT PART...")
    first = shards[0]
    faults = []
    for other in shards[1:]:
        if other.shard.count != first.shard.count:
            faults.append(f"{other} and {first} divide the run into different numbers of shards")
        elif difference := _difference(first.record.signature, other.record.signature):
            faults.append(f"{other} is of another run than {first}: {difference}")
    if faults:
        raise UsageError("\n".join(faults), hint="Merge only shards of one spec and the same recordings.")
    missing = set(range(1, first.shard.count + 1)) - {s.shard.index for s in shards}
    if missing:
        names = ", ".join(str(Shard(index, first.shard.count)) for index in sorted(missing))
        raise UsageError(f"missing: shard {names}", hint="Run it, or name its folder as well.")


def _difference(a: Any, b: Any, key: str = "") -> str:
    """Say where two JSON values first differ; empty where they do not."""
    if a == b:
        return ""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in dict.fromkeys([*a, *b]):
            if name not in a or name not in b:
                return f"{key}{name} is in only one of them"
            if difference := _difference(a[name], b[name], f"{key}{name}."):
                return difference
    return f"{key.rstrip('.')} {json.dumps(a, ensure_ascii=False)[:80]}, {json.dumps(b, ensure_ascii=False)[:80]}"


def _find_jobs(plan: Plan, shards: Sequence[FinishedShard]) -> tuple[list[tuple[Job, Path]], dict[str, str]]:
    """Find the folder of each finished job of the plan, and why the other jobs failed, by key."""
    done = {title: s.paths.job(name) for s in shards for title, name in s.record.done.items()}
    failed = {title: message for s in shards for title, message in s.record.failed.items()}
    sources, faults = [], []
    for job in plan.jobs:
        if job.title not in done:
            if job.title not in failed:
                faults.append(f"{job.title}: in none of the shards")
        elif fault := verify(done[job.title]):
            faults.append(f"{job.title}: {done[job.title]} is damaged: {fault}")
        else:
            sources.append((job, done[job.title]))
    if faults:
        raise AsdkitError("\n".join(faults), hint="Run these shards again: they continue where they stopped.")
    return sources, {job.key: failed[job.title] for job in plan.jobs if job.title not in done}


def _copy(source: Path, final: Path) -> None:
    """Copy the folder of a finished job; it appears under its final name complete or not at all."""
    if source == final or unchanged(final) is None:
        return
    temporary = final.with_name(f".{final.name}.part")
    for old in (temporary, final):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(source, temporary)
    sync(temporary.iterdir())
    if fault := verify(temporary):
        raise AsdkitError(f"{final}: the copy is damaged: {fault}")
    os.replace(temporary, final)
    sync_folder(final.parent)
