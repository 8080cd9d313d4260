"""What a person should know of a run's results, a line each.

From finished jobs to tables: fuse systems, evaluate, write.
"""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asdkit.data import Clip
from asdkit.errors import AsdkitWarning, DataError
from asdkit.files import write_atomic
from asdkit.metrics import IdResult, LabelledClip, Mean, ScoringRule, evaluate, means, partial_means, rule_for
from asdkit.run.check_recordings import Skipped
from asdkit.run.fusion import BoolArray, fuse_members
from asdkit.run.store import read_verified, write_json
from asdkit.text import error_line

if TYPE_CHECKING:
    from asdkit.metrics import IdResult, Mean
    from asdkit.plugins import Registry
    from asdkit.run.jobs import Job
    from asdkit.spec import FuserSettings, Spec


def of_recordings(machine: str, clips: Sequence[Mapping[str, Any]]) -> list[str]:
    """Recordings of a finished job that are silent, and training recordings that hold the same sound.

    Parameters
    ----------
    machine
        Whose they are.
    clips
        As the job's record has them.
    """
    told = [f"{clip['name']}: silent; its score says nothing of the machine" for clip in clips if clip["silent"]]
    first: dict[str, str] = {}
    twins: list[tuple[str, str]] = []
    for clip in clips:
        if clip["split"] == "train" and not clip["silent"]:
            other = first.setdefault(clip["sha256"], clip["name"])
            if other != clip["name"]:
                twins.append((other, clip["name"]))
    if twins:
        one, other = twins[0]
        what = f"{len(twins)} training recordings hold" if len(twins) > 1 else "a training recording holds"
        told.append(
            f"{machine}: {what} the same sound as another ({one} and {other}); where one is learnt from and the other "
            f"held out, p-values and thresholds promise too much"
        )
    return told


def of_unjudged(rows: Iterable[IdResult]) -> list[str]:
    """Ids without an AUC."""
    unjudged: dict[tuple[str, str], dict[str, None]] = {}
    for result in rows:
        if result.auc is None:
            kind = "no test clips of both classes" if result.n_normal + result.n_anomaly else "no labelled test clips"
            which = f"{result.id} ({result.domain})" if result.domain else result.id
            unjudged.setdefault((result.machine, kind), {})[which] = None
    told = []
    for (machine, kind), ids in unjudged.items():
        stay = "it stays" if len(ids) == 1 else "they stay"
        told.append(f"{machine} id {', '.join(ids)}: {kind}, so no AUC; {stay} out of the means")
    return told


def of_untested(scores: Mapping[str, Scores]) -> list[str]:
    """Machines that have training clips alone."""
    return [
        f"{machine}: no test clips; its scores are of training clips alone"
        for machine, table in scores.items()
        if all(clip.split == "train" for clip in table.clips)
    ]


def of_unequal_means(averages: Sequence[Mean]) -> list[str]:
    """Means over fewer machines than others."""
    return [
        f"{mean.name}: its mean is over {mean.of} of {most} machines and not comparable with the others'"
        for mean, most in partial_means(averages)
    ]


_LABELS = {0: "normal", 1: "anomaly", None: ""}


@dataclass
class Scores:
    """Clip scores of one machine: a column for each member and system that could be computed."""

    clips: list[Clip]
    columns: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    held: frozenset[str] = frozenset()  # names of the training clips that nothing was learnt from
    references: dict[str, dict[str, npt.NDArray[np.float64]]] = field(default_factory=dict)  # column -> id -> theirs

    def parts(self) -> tuple[BoolArray, BoolArray]:
        """Which clips the detectors learnt from, and which training clips they did not see [bool, ``[clips]``]."""
        held = np.array([c.name in self.held for c in self.clips], dtype=bool)
        train = np.array([c.split == "train" and c.name not in self.held for c in self.clips], dtype=bool)
        return train, held

    def by_name(self, column: str) -> dict[str, float]:
        """Clip name to score."""
        return {c.name: float(v) for c, v in zip(self.clips, self.columns[column], strict=True)}


@dataclass
class Results:
    """All that a run found out."""

    scores: dict[str, Scores]
    rows: list[IdResult]
    means: list[Mean]
    members: list[str]
    systems: list[str]
    failed: dict[str, str]
    skipped: list[Skipped]
    notes: list[str]
    seconds: dict[str, dict[str, float]]
    recordings: dict[str, str] = field(default_factory=dict)  # SHA-256 of each one's content, by name


def read_scores(folder: Path, clips: Sequence[Clip]) -> tuple[npt.NDArray[np.float64], dict[str, Any]]:
    """Clip scores [float64, ``[clips]``] of a finished job in the order of `clips`, and its record.

    Raises
    ------
    DataError
        If the job did not score exactly these clips.
    AsdkitError
        If a bit of them was flipped since.
    """
    from safetensors.numpy import load

    record: dict[str, Any] = json.loads(read_verified(folder, "job.json"))
    values = load(read_verified(folder, "scores.safetensors"))["clip_scores"]
    by_name = dict(zip([c["name"] for c in record["clips"]], values, strict=True))
    names = [c.name for c in clips]
    if set(names) != set(by_name):
        odd = sorted(set(names) ^ set(by_name))
        raise DataError(f"{folder}: its scores are not of the clips of this run; such as {odd[0]}")
    return np.array([by_name[n] for n in names], dtype=np.float64), record


def collect(
    spec: Spec,
    jobs: Sequence[Job],
    folders: Mapping[str, Path],
    failed: Mapping[str, str],
    skipped: Sequence[Skipped],
    registry: Registry,
) -> Results:
    """Read finished jobs, fuse each system, and evaluate all.

    Parameters
    ----------
    spec
        The spec.
    jobs
        All jobs of the plan.
    folders
        Where each finished job lies, by key.
    failed
        Why each other job failed, by key.
    skipped
        Recordings left out.
    registry
        Where fusers are found.
    """
    scores: dict[str, Scores] = {}
    told: list[str] = []
    seconds: dict[str, dict[str, float]] = {}
    recordings: dict[str, str] = {}
    failures = {job.title: failed[job.key] for job in jobs if job.key in failed}
    for job in jobs:
        held = frozenset(p.clip.name for p in job.held)
        table = scores.setdefault(job.machine, Scores([p.clip for p in job.clips], held=held))
        if job.key not in folders:
            continue
        values, record = read_scores(folders[job.key], table.clips)
        for name in job.detectors:
            table.columns[name] = values
            _fuse(name, [name], None, table, registry)
        seconds[job.title] = record["seconds"]
        recordings |= {c["name"]: c["sha256"] for c in record["clips"]}
        told += [f"{job.title}: {note}" for note in record["notes"]] + of_recordings(job.machine, record["clips"])
    told += _fuse_systems(spec, scores, failures, registry)
    members = list(dict.fromkeys(name for job in jobs for name in job.detectors))
    members = [n for n in spec.detector_names if n in members]
    rule = rule_for(spec.data.layout)
    rows = _evaluate(scores, members, list(spec.systems), rule)
    averages = means(rows, rule)
    told += [*of_unjudged(rows), *of_untested(scores), *of_unequal_means(averages)]
    notes = list(dict.fromkeys(told))
    systems = list(spec.systems)
    return Results(scores, rows, averages, members, systems, failures, list(skipped), notes, seconds, recordings)


def _fuse_systems(spec: Spec, scores: Mapping[str, Scores], failures: dict[str, str], registry: Registry) -> list[str]:
    """Fuse every system into its machine's table; what fails goes into `failures`, what fusers note is returned."""
    told = []
    for machine, table in scores.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AsdkitWarning)
            for name, system in spec.systems.items():
                try:
                    _fuse(name, system.members, system.fuser, table, registry)
                except (Exception, SystemExit) as error:  # a fuser may raise anything; the rest of the table stands
                    failures[f"{machine} {name}"] = f"fuser: {error_line(error)}"
        told += [f"{machine}: {w.message}" for w in caught if issubclass(w.category, AsdkitWarning)]
    return told


def _fuse(name: str, of: Sequence[str], fuser: FuserSettings | None, table: Scores, registry: Registry) -> None:
    """Add a system's scores to the table, and those of the clips held out; a lone member is a system too."""
    if any(member not in table.columns for member in of):
        return  # a member failed on this machine; the job says so
    members = np.stack([table.columns[m] for m in of], axis=1)
    fused = fuse_members(fuser, members, [c.id for c in table.clips], *table.parts(), registry)
    table.columns[name], table.references[name] = fused.scores, fused.reference


def _evaluate(
    scores: Mapping[str, Scores], members: Sequence[str], systems: Sequence[str], rule: ScoringRule
) -> list[IdResult]:
    rows: list[IdResult] = []
    for kind, names in (("member", members), ("system", systems)):
        for name in names:
            for machine in sorted(scores):
                table = scores[machine]
                if name not in table.columns:
                    continue
                truth = [
                    LabelledClip(c.name, c.machine, c.id, c.label, c.domain)
                    for c in table.clips
                    if c.split == "test" and c.label is not None
                ]
                found = evaluate(truth, table.by_name(name), name=name, kind=kind, rule=rule)
                unlabelled = {c.id for c in table.clips if c.split == "test"} - {r.id for r in found}
                found += [IdResult(machine, i, name, kind, None, None, 0, 0) for i in unlabelled]
                rows += sorted(found, key=lambda r: (r.id, r.domain or ""))
    return rows


def write_results(folder: Path, results: Results, layout: str, about: Mapping[str, Any]) -> None:
    """Write ``scores.csv``, ``results.csv``, ``results.json`` and the challenge's files of each system.

    Parameters
    ----------
    folder
        The run folder.
    results
        What to write.
    layout
        The data's layout: under ``dcase...`` the challenge's files name a clip by its file name alone.
    about
        Goes into ``results.json`` beside the results: versions, seed and the like.
    """
    clear_results(folder)
    names = results.members + results.systems
    table = [["path", "machine", "id", "split", "label", *names]]
    for machine in sorted(results.scores):
        scores = results.scores[machine]
        for i, clip in enumerate(scores.clips):
            values = [repr(float(scores.columns[n][i])) if n in scores.columns else "" for n in names]
            table.append([clip.name, clip.machine, clip.id, clip.split, _LABELS[clip.label], *values])
    write_atomic(folder / "scores.csv", _csv(table))
    header = ["machine", "id", "domain", "name", "kind", "auc", "pauc", "n_normal", "n_anomaly"]
    rows = [[_cell(getattr(r, h)) for h in header] for r in results.rows]
    write_atomic(folder / "results.csv", _csv([header, *rows]))
    write_json(
        folder / "results.json",
        {
            "results": [asdict(r) for r in results.rows],
            "means": [asdict(m) for m in results.means],
            "failed": results.failed,
            "skipped": [{"path": s.name, "reason": s.reason} for s in results.skipped],
            "held_out": {machine: sorted(table.held) for machine, table in results.scores.items()},
            "references": {
                machine: {name: {i: v.tolist() for i, v in by_id.items()} for name, by_id in table.references.items()}
                for machine, table in results.scores.items()
            },
            "notes": results.notes,
            "seconds": results.seconds,
            **about,
        },
    )
    for name in results.systems:
        _write_challenge(folder / name, results.scores, name, bare=layout.startswith("dcase"))


def clear_results(folder: Path) -> None:
    """Remove what `write_results` wrote into a run folder, and nothing else."""
    for name in ("scores.csv", "results.csv", "results.json", "report.html"):
        if (folder / name).is_file():
            (folder / name).unlink()
    written = list(folder.glob("*/anomaly_score_*_id_*.csv"))
    for path in written:
        path.unlink()
    for system in {path.parent for path in written}:
        if not any(system.iterdir()):
            system.rmdir()


def _write_challenge(folder: Path, scores: Mapping[str, Scores], system: str, *, bare: bool) -> None:
    """Write ``anomaly_score_<machine>_id_XX.csv``: file name and score of each test clip, no header."""
    for machine, table in scores.items():
        if system not in table.columns:
            continue
        folder.mkdir(exist_ok=True)
        by_id: dict[str, list[list[str]]] = {}
        for clip, value in zip(table.clips, table.columns[system], strict=True):
            if clip.split == "test":
                shown = clip.path.name if bare else clip.name
                by_id.setdefault(clip.id, []).append([shown, repr(float(value))])
        for id_, rows in by_id.items():
            write_atomic(folder / f"anomaly_score_{machine}_id_{id_}.csv", _csv(rows))


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
