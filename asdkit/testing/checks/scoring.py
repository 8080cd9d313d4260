"""What a clip's score depends on."""

from __future__ import annotations

import numpy as np

from asdkit.testing.detecting import DetectorSubject
from asdkit.testing.listing import Failed, check
from asdkit.testing.machine import Clips, joined
from asdkit.testing.others import FuserSubject
from asdkit.testing.subject import told

_ROUNDING = 1e-3  # of the scores' spread: products of matrices are rounded by their size


def differ(one: np.ndarray, other: np.ndarray, scale: np.ndarray) -> bool:
    """Whether scores differ by more than rounding, given scores of usual spread."""
    margin = _ROUNDING * float(np.std(scale)) + 1e-5 * float(np.abs(scale).max())
    return bool((np.abs(one - other) > margin).any())


@check("detector")
def a_clip_is_scored_on_its_own(subject: DetectorSubject) -> None:
    """A clip's score is the same alone, among others, and in any order."""
    clips = subject.test()
    expected = subject.clip_scores(subject.fitted(), clips)
    order = np.random.default_rng(9).permutation(len(clips))
    permuted = subject.clip_scores(subject.fitted(), clips.take(order.tolist()))
    if differ(permuted, expected[order], expected):
        raise Failed("a clip's score depends on the order of the clips")
    detector = subject.fitted()
    alone = np.array([subject.clip_scores(detector, clips.take([i]))[0] for i in range(len(clips))])
    if differ(alone, expected, expected):
        worst = int(np.abs(alone - expected).argmax())
        raise Failed(
            f"clip {worst} scores {alone[worst]:g} alone and {expected[worst]:g} among {len(clips)}: a score may "
            "depend on the window, its id and what was learnt, never on other clips"
        )


@check("detector")
def unknown_ids_get_the_best(subject: DetectorSubject) -> None:
    """A clip of an id that was not in training gets the lowest score over the known ids."""
    clips = subject.test()
    known = sorted(set(subject.clips().ids))
    detector = subject.fitted()
    by_id = np.array([subject.score(detector, _renamed(clips, id_)) for id_ in known])
    expected = by_id.min(axis=0)
    try:
        scores = subject.score(detector, _renamed(clips, "not in training"))
        mixed = subject.score(detector, joined(clips, _renamed(clips, "not in training")))[len(expected) :]
    except Failed:
        raise
    except Exception as error:
        raise Failed(f"to score an id that was not in training raised {told(error)}") from error
    if differ(scores, expected, by_id) or differ(mixed, expected, by_id):
        raise Failed("an id that was not in training does not get the lowest score over the known ids")


def _renamed(clips: Clips, id_: str) -> Clips:
    return Clips(clips.frames, (id_,) * len(clips), clips.faulty)


@check("fuser")
def a_clip_is_fused_on_its_own(subject: FuserSubject) -> None:
    """A clip's fused score is the same alone, among others, and in any order."""
    fuser = subject.used().instance
    scores, ids = subject.scores(6, 12, faulty=6)
    expected = subject.used().made["fused"]
    order = np.random.default_rng(9).permutation(len(ids))
    permuted = fuser.fuse(scores[order], [ids[i] for i in order])
    alone = np.concatenate([fuser.fuse(scores[i : i + 1], ids[i : i + 1]) for i in range(len(ids))])
    if differ(permuted, expected[order], expected):
        raise Failed("a clip's fused score depends on the order of the clips")
    if differ(alone, expected, expected):
        raise Failed("a clip's fused score depends on the clips that it is fused with")
