"""What fused scores mean."""

from __future__ import annotations

import numpy as np

from asdkit.metrics import auc
from asdkit.testing.listing import Failed, Inapplicable, check
from asdkit.testing.others import FuserSubject


@check("fuser")
def fused_scores_are_not_constant(subject: FuserSubject) -> None:
    """Different clips get different fused scores."""
    fused = subject.used().made["fused"]
    if len(np.unique(fused)) < 2:
        raise Failed(f"all {len(fused)} clips got {fused[0]}")


@check("fuser")
def what_all_members_find_scores_higher(subject: FuserSubject) -> None:
    """Clips that every member scores higher than healthy ones of their id get higher fused scores."""
    fused = subject.used().made["fused"]
    if len(np.unique(fused)) < 2:
        raise Inapplicable("see fused_scores_are_not_constant")
    _, ids = subject.scores(6, 12, faulty=6)
    faulty = np.arange(len(ids)) < 6
    for id_ in sorted(set(ids)):
        own = np.array([i == id_ for i in ids])
        value = auc(faulty[own].astype(np.int64), fused[own])
        if value < 1:
            raise Failed(f"AUC {value:.2f} within id {id_} of clips that both members score far higher; expected 1")


@check("fuser")
def fit_changes_what_is_learnt(subject: FuserSubject) -> None:
    """Fitted on other training scores, its state is another."""
    one, other = subject.learnt(subject.used().instance), subject.learnt(subject.fit(seed=8))
    arrays = [key for key, value in one.items() if isinstance(value, np.ndarray) and value.size]
    if not one:
        raise Inapplicable("it learns nothing")
    if all(np.array_equal(np.asarray(one[key]), np.asarray(other[key])) for key in arrays or one):
        raise Failed("its state does not follow from the training scores")


@check("fuser")
def an_unknown_id_is_fused(subject: FuserSubject) -> None:
    """A clip of an id that had no training clips gets a finite fused score."""
    scores, ids = subject.scores(6, 12)
    fused = subject.used().instance.fuse(scores, ["not in training"] * len(ids))
    if not np.isfinite(fused).all():
        raise Failed("clips of an id that was not in training get NaN or infinite scores")
