"""Notes of a run: what is to be known beside its figures, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from asdkit.audio import SILENT
from asdkit.metrics import IdResult, Mean, partial_means
from asdkit.run.check_recordings import cancelled_note
from asdkit.run.fusion import with_weight
from asdkit.run.records import ClipRecord
from asdkit.run.score_table import ScoreTable


def folded(job_notes: Sequence[tuple[str, str]]) -> list[str]:
    """Write each note of jobs once, with the titles of all jobs that have it."""
    titles: dict[str, list[str]] = {}
    for title, note in job_notes:
        titles.setdefault(note, []).append(title)
    return [f"{', '.join(of_note)}: {note}" for note, of_note in titles.items()]


def recording_notes(machine: str, clips: Sequence[ClipRecord]) -> list[str]:
    """Note silent recordings of a job, channels that cancel, and recordings that hold the same sound as another."""
    notes = [f"{clip.name}: {SILENT}" for clip in clips if clip.silent and not clip.cancelled]
    notes += [cancelled_note(machine, clip.name) for clip in [c for c in clips if c.cancelled][:1]]
    first: dict[str, str] = {}
    copies: list[tuple[str, str]] = []
    for clip in clips:
        if clip.split != "test" and not clip.silent:
            original = first.setdefault(clip.content, clip.name)
            if original != clip.name:
                copies.append((original, clip.name))
    if copies:
        original, copy = copies[0]
        what = f"{len(copies)} training recordings hold" if len(copies) > 1 else "a training recording holds"
        notes.append(
            f"{machine}: {what} the same sound as another ({original} and {copy}); where one is used for training and "
            f"the other held out, p-values and thresholds are too optimistic"
        )
    test = [clip for clip in clips if clip.split == "test"]
    if seen := [(first[clip.content], clip.name) for clip in test if clip.content in first and not clip.silent]:
        original, copy = seen[0]
        notes.append(
            f"{machine}: {len(seen)} of {len(test)} test recordings hold the same sound as a training recording "
            f"({copy} and {original}); AUC and verdicts are then mostly too optimistic"
        )
    return notes


def missing_auc_notes(rows: Iterable[IdResult]) -> list[str]:
    """Note the ids without an AUC."""
    by_reason: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.auc is None:
            labelled = row.n_normal + row.n_anomaly > 0
            reason = "no test clips of both classes" if labelled else "no labelled test clips"
            shown = f"{row.id} ({row.domain})" if row.domain else row.id
            by_reason.setdefault((row.machine, reason), {})[shown] = None
    notes = []
    for (machine, reason), ids in by_reason.items():
        left_out = "it is left out" if len(ids) == 1 else "they are left out"
        notes.append(f"{machine} id {', '.join(ids)}: {reason}, so no AUC; {left_out} of the means")
    return notes


def untested_notes(tables: Mapping[str, ScoreTable]) -> list[str]:
    """Note the machines without test clips."""
    return [
        f"{machine}: no test clips; only training clips have scores"
        for machine, table in tables.items()
        if not table.count(None, "test")
    ]


def partial_mean_notes(averages: Sequence[Mean]) -> list[str]:
    """Note the means over fewer machines than others."""
    return [
        f"{mean.name}: its mean is over {mean.of} of {most} machines and not comparable with the others"
        for mean, most in partial_means(averages)
    ]


def no_weight_notes(machine: str, systems: Mapping[str, Sequence[str]], reasons: Mapping[str, str]) -> list[str]:
    """Say which members get no weight on a machine, why, and in which systems.

    Parameters
    ----------
    machine
        Name of the machine.
    systems
        Names of the members of each system.
    reasons
        By member, as for `with_weight`.
    """
    notes = []
    for member, reason in reasons.items():
        of_member = [name for name, members in systems.items() if member in members]
        without = [name for name in of_member if member not in with_weight(systems[name], reasons)]
        used = [name for name in of_member if name not in without]
        text = f"{member} gets no weight on {machine}: {reason}" if without or not used else ""
        if without:
            text += f"; left out of {', '.join(without)}"
        if used:
            text += "; " if text else f"{member} knows nothing on {machine}: {reason}; "
            text += f"used in {', '.join(used)} all the same, because none of its members has weight"
        notes.append(text)
    return notes
