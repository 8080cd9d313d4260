"""Heat map of one clip for a whole system: the members' scores of occluded copies, fused by the system's fuser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from asdkit.bundle.members import Member
from asdkit.bundle.system import TrainedSystem
from asdkit.explain import Explanation, Grid, MemberInput, NearestExcerpts, Scorer, explain
from asdkit.features import Features, FloatArray, Windows
from asdkit.scoring import pool_scores


def explain_clip(
    bundle: TrainedSystem,
    features: Sequence[Features],
    id_: str,
    nearest: Sequence[NearestExcerpts],
    grid: Grid | None = None,
    *,
    exclude: int | None = None,
) -> Explanation:
    """Explain the score of one clip.

    Parameters
    ----------
    bundle
        The system.
    features
        Features of this clip alone, as `Bundle.featurise` returns them.
    id_
        A known id of the bundle.
    nearest
        For each featurizer, the search in healthy clips of that id.
    grid, exclude
        Resolution; index of the healthy clip that this clip is. See `asdkit.explain.explain`.
    """
    inputs = [_member_input(bundle, m, features[m.featurizer], nearest[m.featurizer], id_) for m in bundle.members]
    return explain(inputs, lambda members: bundle.fused(members, [id_] * len(members)), grid, exclude=exclude)


def _member_input(
    bundle: TrainedSystem, member: Member, features: Features, nearest: NearestExcerpts, id_: str
) -> MemberInput:
    def score(copies: Features, windows: Windows) -> FloatArray:
        return member.score(copies, windows, [id_] * copies.clips, bundle.ctx)

    pool = partial(pool_scores, pool=member.pool)
    return MemberInput(features.frames, nearest, Scorer(score, pool, member.frames, member.hop))
