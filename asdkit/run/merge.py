"""Shards that ran apart, joined into one run folder with results; parts of anything else are refused by name."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdkit.errors import AsdkitError, DataError, UsageError
from asdkit.files import sync_folder, write_atomic
from asdkit.run.locks import locked
from asdkit.run.plan import Plan, Shard, make_plan
from asdkit.run.provenance import settings_record, signature
from asdkit.run.results import Results
from asdkit.run.runner import finish, make_folder
from asdkit.run.store import unchanged, verify, write_json
from asdkit.spec import load_spec

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.run.jobs import Job


@dataclass(frozen=True)
class ShardResult:
    """One shard's record, and the folder that it lies in."""

    folder: Path
    record: dict[str, Any]

    @property
    def shard(self) -> Shard:
        """Which part of the plan it is."""
        return Shard(*self.record["shard"])

    def __str__(self) -> str:
        return f"{self.folder} (shard {self.shard})"


def merge(out: Path, folders: Sequence[Path], registry: Registry) -> tuple[Plan, Results]:
    """Join shards into a run folder, and make the results.

    Parameters
    ----------
    out
        The run folder to make; it may be the one that the shards shared.
    folders
        Where shards ran.
    registry
        The plugins.

    Raises
    ------
    UsageError
        If a folder holds no shard, shards are missing, or they are not of one run: by name, and in what they differ.
    DataError
        If the recordings are not those that the shards were made of.
    AsdkitError
        If a shard is damaged, or has not finished.
    """
    begin = time.time()
    parts = [part for folder in dict.fromkeys([*folders, out]) for part in _parts(folder, needed=folder != out)]
    _require_one_run(parts, out)
    first = parts[0]
    made, data = first.record, first.record["data"]
    sets = [*made["sets"], f"name={json.dumps(made['name'])}", f"data.root={json.dumps(data['root'])}"]
    sets.append(f"data.ground_truth={json.dumps(data['ground_truth'])}")
    spec = load_spec(first.folder / "spec.toml", sets=sets, registry=registry)
    plan = make_plan(spec, out, registry, machines=made["machines"])
    if difference := _difference(made["made_of"], signature(plan)):
        raise DataError(
            f"{first} was made of something else than is here: {difference}",
            hint="Merge where the same recordings and plugins are, or run the shards again.",
        )
    sources, failed = _jobs_of(plan, parts)
    make_folder(out, spec.data.root)
    with locked(out, None):
        write_atomic(out / "spec.toml", spec.text.encode())
        write_json(out / "settings.json", settings_record(plan))
        for job, source in sources:
            _take(source, plan.paths.done(job))
        return plan, finish(plan, failed, begin)


def _parts(folder: Path, *, needed: bool) -> list[ShardResult]:
    try:
        records = [json.loads(path.read_bytes()) for path in sorted(folder.glob("shards/*-of-*.json"))]
        parts = [ShardResult(folder, record) for record in records]
        _ = [part.shard for part in parts]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AsdkitError(f"{folder}: the record of a shard cannot be read ({error})") from None
    if needed and not parts:
        raise UsageError(
            f"{folder} holds no finished shard of a run", hint="Shards are made by: asdkit run SPEC --shard K/N"
        )
    return parts


def _require_one_run(parts: Sequence[ShardResult], out: Path) -> None:
    if not parts:
        raise UsageError(f"no shard in {out}", hint="Name the folders of the shards: asdkit merge OUT PART...")
    first = parts[0]
    faults = []
    for part in parts[1:]:
        if part.shard.of != first.shard.of:
            faults.append(f"{part} is not of the same split as {first}")
        elif difference := _difference(first.record["made_of"], part.record["made_of"]):
            faults.append(f"{part} is of another run than {first}: {difference}")
    if faults:
        raise UsageError("\n".join(faults), hint="Merge shards of one spec and the same recordings alone.")
    missing = set(range(1, first.shard.of + 1)) - {part.shard.index for part in parts}
    if missing:
        names = ", ".join(str(Shard(index, first.shard.of)) for index in sorted(missing))
        raise UsageError(f"missing: shard {names}", hint="Run it, or name its folder as well.")


def _difference(a: Any, b: Any, key: str = "") -> str:
    """Where two records first differ, in words; empty where they do not."""
    if a == b:
        return ""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in dict.fromkeys([*a, *b]):
            if name not in a or name not in b:
                return f"{key}{name} is in one alone"
            if difference := _difference(a[name], b[name], f"{key}{name}."):
                return difference
    return f"{key.rstrip('.')} {json.dumps(a, ensure_ascii=False)[:80]}, {json.dumps(b, ensure_ascii=False)[:80]}"


def _jobs_of(plan: Plan, parts: Sequence[ShardResult]) -> tuple[list[tuple[Job, Path]], dict[str, str]]:
    """Where each job of the plan lies, and why those that failed did, by key."""
    done = {title: part.folder / "jobs" / folder for part in parts for title, folder in part.record["done"].items()}
    failed = {title: message for part in parts for title, message in part.record["failed"].items()}
    sources, faults = [], []
    for job in plan.jobs:
        if job.title not in done:
            if job.title not in failed:
                faults.append(f"{job.title}: in none of the parts")
        elif fault := verify(done[job.title]):
            faults.append(f"{job.title}: {done[job.title]} is damaged: {fault}")
        else:
            sources.append((job, done[job.title]))
    if faults:
        raise AsdkitError("\n".join(faults), hint="Run these shards again: they go on where they stopped.")
    return sources, {job.key: failed[job.title] for job in plan.jobs if job.title not in done}


def _take(source: Path, final: Path) -> None:
    """Copy a finished job to where it belongs, whole or not at all."""
    if source == final or unchanged(final) is None:
        return
    temporary = final.with_name(f".{final.name}.part")
    for old in (temporary, final):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(source, temporary)
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if fault := verify(temporary):
        raise AsdkitError(f"{final}: the copy is damaged: {fault}")
    os.replace(temporary, final)
    sync_folder(final.parent)
