"""What a person should know of a run's results, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asdkit.metrics import IdResult, Mean
    from asdkit.run.results import Scores


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
    over_all = [mean for mean in averages if mean.machine is None]
    most = max((mean.of for mean in over_all), default=0)
    return [
        f"{mean.name}: its mean is over {mean.of} of {most} machines and not comparable with the others'"
        for mean in over_all
        if 0 < mean.of < most
    ]
