"""What raised a clip's score by a whole system: the members' occluded scores, fused as the system fuses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from asdkit.bundle.bundle import Bundle
from asdkit.bundle.members import Member
from asdkit.explain import Explanation, Grid, MemberInput, NearestExcerpts, Scorer, explain
from asdkit.features import Features, FloatArray, Windows
from asdkit.scoring import pool_scores


def explain_clip(
    bundle: Bundle, features: Sequence[Features], id_: str, usual: Sequence[NearestExcerpts], grid: Grid | None = None
) -> Explanation:
    """Explain the score of one clip.

    Parameters
    ----------
    bundle
        The system.
    features
        Of the clip alone, by each of the bundle's featurizers, as `Bundle.featurise` gives them.
    id_
        One of the bundle's ids.
    usual
        Healthy clips of that id, by each featurizer; a bundle holds none, so they are the caller's.
    grid
        Resolution; see `asdkit.explain.explain`.
    """
    parts = [_part(bundle, m, features[m.featurizer], usual[m.featurizer], id_) for m in bundle.members]
    return explain(parts, lambda members: bundle.fused(members, [id_] * len(members)), grid)


def _part(bundle: Bundle, member: Member, features: Features, usual: NearestExcerpts, id_: str) -> MemberInput:
    def score(copies: Features, windows: Windows) -> FloatArray:
        return member.score(copies, windows, [id_] * copies.clips, bundle.ctx)

    pool = partial(pool_scores, pool=member.pool)
    return MemberInput(features.frames, usual, Scorer(score, pool, member.frames, member.hop))
