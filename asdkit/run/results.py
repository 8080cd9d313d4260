"""From finished jobs to results: fuse the systems, compute the figures, write notes and tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from asdkit.data import Clip
from asdkit.errors import AsdkitWarning, DataError
from asdkit.files import write_atomic
from asdkit.metrics import IdResult, LabelledClip, Mean, ScoringRule, evaluate, means, rule_for
from asdkit.plugins import Registry
from asdkit.run.check_recordings import Skipped
from asdkit.run.fusion import fuse_members, with_weight
from asdkit.run.jobs import Job
from asdkit.run.notes import (
    folded,
    missing_auc_notes,
    no_weight_notes,
    partial_mean_notes,
    recording_notes,
    untested_notes,
)
from asdkit.run.records import JobRecord, ResultsRecord, SkippedRecord
from asdkit.run.score_table import DoubleArray, RunSplit, ScoreTable, encode_csv
from asdkit.run.store import RunPaths, read_job, read_job_scores, write_results, write_scores
from asdkit.spec import PluginSettings, Spec
from asdkit.text import error_line

_FIGURE_COLUMNS = ("machine", "id", "domain", "name", "kind", "auc", "pauc", "n_normal", "n_anomaly")


@dataclass
class Results:
    """Results of a run.

    Attributes
    ----------
    clips
        Clips of each machine, in the order of its table.
    scores
        Table of each machine.
    rows
        Figures of each id, by member and system.
    means
        Means of these over ids and over machines.
    failed
        Why jobs and fusers failed, by title.
    seconds
        Wall time of each job by step, by title.
    recordings
        SHA-256 of the content of each recording, by name.
    no_weight
        By machine and member: why systems fuse without it.
    """

    clips: dict[str, list[Clip]]
    scores: dict[str, ScoreTable]
    rows: list[IdResult]
    means: list[Mean]
    members: list[str]
    systems: list[str]
    failed: dict[str, str]
    skipped: list[Skipped]
    notes: list[str]
    seconds: dict[str, dict[str, float]]
    recordings: dict[str, str] = field(default_factory=dict)
    no_weight: dict[str, dict[str, str]] = field(default_factory=dict)


def collect(
    spec: Spec,
    jobs: Sequence[Job],
    folders: Mapping[str, Path],
    failed: Mapping[str, str],
    skipped: Sequence[Skipped],
    registry: Registry,
) -> Results:
    """Read finished jobs, fuse the systems, and compute the figures of all.

    Parameters
    ----------
    spec, jobs
        The spec and all jobs of the plan.
    folders
        Folder of each finished job, by key.
    failed, skipped
        Why the other jobs failed, by key; recordings left out.
    registry
        The plugins.

    Raises
    ------
    AsdkitError
        If a job did not score exactly the clips of the plan, or its files are damaged.
    """
    clips: dict[str, list[Clip]] = {}
    tables: dict[str, ScoreTable] = {}
    job_notes: list[tuple[str, str]] = []
    notes: list[str] = []
    seconds: dict[str, dict[str, float]] = {}
    recordings: dict[str, str] = {}
    no_weight: dict[str, dict[str, str]] = {}
    failures = {job.title: failed[job.key] for job in jobs if job.key in failed}
    for job in jobs:
        if job.machine not in tables:
            clips[job.machine], tables[job.machine] = [p.clip for p in job.clips], _empty_table(job)
        if job.key not in folders:
            continue
        table = tables[job.machine]
        scores, record = _read_scores(folders[job.key], table.clips)
        for name in job.detectors:
            table.columns[name] = scores
            _fuse(name, [name], None, table, registry)
        if record.no_weight:
            no_weight.setdefault(job.machine, {}).update(dict.fromkeys(job.detectors, record.no_weight))
        seconds[job.title] = record.seconds
        recordings |= {clip.name: clip.sha256 for clip in record.clips}
        job_notes += [(job.title, note) for note in record.notes]
        notes += recording_notes(job.machine, record.clips)
    notes += _fuse_systems(spec, tables, no_weight, failures, registry)
    trained = {name for job in jobs for name in job.detectors}
    members, systems = [n for n in spec.detector_names if n in trained], list(spec.systems)
    rule = rule_for(spec.data.layout)
    rows = _evaluate(clips, tables, members, systems, rule)
    averages = means(rows, rule)
    notes += [*missing_auc_notes(rows), *untested_notes(tables), *partial_mean_notes(averages)]
    notes = list(dict.fromkeys([*folded(job_notes), *notes]))
    results = Results(clips, tables, rows, averages, members, systems, failures, list(skipped), notes, seconds)
    return replace(results, recordings=recordings, no_weight=no_weight)


def save_results(paths: RunPaths, results: Results, layout: str, about: Mapping[str, Any]) -> None:
    """Write ``scores.csv``, ``results.csv``, ``results.json`` and the submission files of each system.

    Parameters
    ----------
    paths
        The run.
    results
        Its results.
    layout
        Layout of the data: under ``dcase...`` the submission files name a clip by its file name alone.
    about
        Further fields of ``results.json``: versions, seed and the like.
    """
    remove_results(paths)
    scores_sha256 = write_scores(paths, results.scores, [*results.members, *results.systems])
    rows = [[getattr(row, column) for column in _FIGURE_COLUMNS] for row in results.rows]
    write_atomic(paths.figures, encode_csv([_FIGURE_COLUMNS, *rows]))
    record = ResultsRecord(
        results=results.rows,
        means=results.means,
        failed=results.failed,
        skipped=[SkippedRecord(path=s.name, reason=s.reason) for s in results.skipped],
        held_out={machine: sorted(table.of_split("held")) for machine, table in results.scores.items()},
        references={
            machine: {
                name: {id_: scores.tolist() for id_, scores in by_id.items()}
                for name, by_id in table.references.items()
            }
            for machine, table in results.scores.items()
        },
        held_scores={machine: table.held_scores for machine, table in results.scores.items()},
        no_weight=results.no_weight,
        escaped_names=True,
        scores_sha256=scores_sha256,
        notes=results.notes,
        seconds=results.seconds,
        **about,
    )
    write_results(paths, record)
    for system in results.systems:
        _write_submissions(paths, results, system, bare=layout.startswith("dcase"))


def remove_results(paths: RunPaths) -> None:
    """Remove what `save_results` wrote, and the report; finished jobs and all other files stay."""
    for path in (paths.scores, paths.figures, paths.results, paths.report):
        if path.is_file():
            path.unlink()
    submissions = paths.submissions()
    for path in submissions:
        path.unlink()
    for system in {path.parent for path in submissions}:
        if not any(system.iterdir()):
            system.rmdir()


def _empty_table(job: Job) -> ScoreTable:
    """Make the table of a job's machine, without scores."""
    parts: list[tuple[RunSplit, Sequence[Any]]] = [("train", job.train), ("held", job.held), ("test", job.test)]
    clips = [p.clip for _, planned in parts for p in planned]
    return ScoreTable(
        clips=[c.name for c in clips],
        ids=[c.id for c in clips],
        splits=[split for split, planned in parts for _ in planned],
        labels=[c.label for c in clips],
    )


def _read_scores(folder: Path, clips: Sequence[str]) -> tuple[DoubleArray, JobRecord]:
    """Read the scores of a finished job in the order of `clips` [float64, ``[clips]``], and its record."""
    record = read_job(folder)
    scores = read_job_scores(folder, record)
    if differing := sorted(set(clips) ^ set(scores)):
        raise DataError(f"{folder}: its scores are not of the clips of this run; such as {differing[0]}")
    return np.array([scores[clip] for clip in clips], dtype=np.float64), record


def _fuse_systems(
    spec: Spec,
    tables: Mapping[str, ScoreTable],
    no_weight: Mapping[str, Mapping[str, str]],
    failures: dict[str, str],
    registry: Registry,
) -> list[str]:
    """Fuse every system on every machine; failures go into `failures`, notes of members and fusers are returned."""
    systems = {name: system.members for name, system in spec.systems.items()}
    notes = []
    for machine, table in tables.items():
        reasons = no_weight.get(machine, {})
        notes += no_weight_notes(machine, systems, reasons)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AsdkitWarning)
            for name, system in spec.systems.items():
                try:
                    _fuse(name, with_weight(system.members, reasons), system.fuser, table, registry)
                except (Exception, SystemExit) as error:  # a fuser may raise anything; the other systems are fused
                    failures[f"{machine} {name}"] = f"fuser: {error_line(error)}"
        notes += [f"{machine}: {w.message}" for w in caught if issubclass(w.category, AsdkitWarning)]
    return notes


def _fuse(
    name: str, members: Sequence[str], fuser: PluginSettings | None, table: ScoreTable, registry: Registry
) -> None:
    """Add the scores of a system, and those of the clips held out; a single member is a system too."""
    if any(member not in table.columns for member in members):
        return  # the job of a member failed on this machine; that is reported
    scores = np.stack([table.columns[member] for member in members], axis=1)
    train, held = table.where(None, "train"), table.where(None, "held")
    fused = fuse_members(fuser, scores, table.ids, train, held, registry)
    table.columns[name], table.references[name] = fused.scores, fused.reference
    if fuser is not None:
        table.held_scores[name] = dict(zip(table.of_split("held"), fused.held.tolist(), strict=True))


def _evaluate(
    clips: Mapping[str, Sequence[Clip]],
    tables: Mapping[str, ScoreTable],
    members: Sequence[str],
    systems: Sequence[str],
    rule: ScoringRule,
) -> list[IdResult]:
    """Compute the figures of each id; an id without labelled test clips has a row without figures."""
    rows: list[IdResult] = []
    for kind, names in (("member", members), ("system", systems)):
        for name in names:
            for machine in sorted(tables):
                if name not in tables[machine].columns:
                    continue
                test = [c for c in clips[machine] if c.split == "test"]
                truth = [LabelledClip(c.name, c.machine, c.id, c.label, c.domain) for c in test if c.label is not None]
                results = evaluate(truth, tables[machine].by_name(name), name=name, kind=kind, rule=rule)
                unlabelled = {c.id for c in test} - {r.id for r in results}
                results += [IdResult(machine, id_, name, kind, None, None, 0, 0) for id_ in unlabelled]
                rows += sorted(results, key=lambda r: (r.id, r.domain or ""))
    return rows


def _write_submissions(paths: RunPaths, results: Results, system: str, *, bare: bool) -> None:
    """Write file name and score of each test clip, a file for each id, without a header."""
    for machine, table in results.scores.items():
        if system not in table.columns:
            continue
        by_id: dict[str, list[tuple[str, float]]] = {}
        for clip, score in zip(results.clips[machine], table.columns[system], strict=True):
            if clip.split == "test":
                shown = clip.path.name if bare else clip.name
                by_id.setdefault(clip.id, []).append((shown, float(score)))
        (paths.folder / system).mkdir(exist_ok=True)
        for id_, rows in by_id.items():
            write_atomic(paths.submission(system, machine, id_), encode_csv(rows))
