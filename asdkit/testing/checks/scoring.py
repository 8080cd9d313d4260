"""Checks of clip scores: those of detectors, and those that fusers combine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asdkit.config import DetectorConfig
from asdkit.features import Features
from asdkit.metrics import auc
from asdkit.scoring import score_windows
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.subject import CountingContext, array_fault, state_of
from asdkit.testing.subjects import DetectorSubject, FuserSubject
from asdkit.testing.synthetic import Clips, concatenated
from asdkit.text import error_line

_ROUNDING = 1e-3  # of the scores' standard deviation: products of matrices are rounded by their size


def a_clip_is_scored_on_its_own(subject: DetectorSubject) -> None:
    """A clip's score is the same alone, among others, and in any order."""
    clips = subject.test_clips()
    expected = subject.clip_scores(subject.fitted(), clips)
    order = np.random.default_rng(9).permutation(len(clips))
    permuted = subject.clip_scores(subject.fitted(), clips.take(order.tolist()))
    if _differ(permuted, expected[order], expected):
        raise Failed("a clip's score depends on the order of the clips")
    detector = subject.fitted()
    alone = np.array([subject.clip_scores(detector, clips.take([i]))[0] for i in range(len(clips))])
    if _differ(alone, expected, expected):
        worst = int(np.abs(alone - expected).argmax())
        raise Failed(
            f"clip {worst} scores {alone[worst]:g} alone and {expected[worst]:g} among {len(clips)}: a score may "
            "depend on the window, its id and the training, never on other clips"
        )


def unknown_ids_get_the_best(subject: DetectorSubject) -> None:
    """A clip of an id that was not in training gets the lowest score over the known ids."""
    clips = subject.test_clips()
    unknown = clips.renamed("not in training")
    known = sorted(set(subject.training_clips().ids))
    detector = subject.fitted()

    def score_as_a_run(scored: Clips) -> np.ndarray:
        features, windows = subject.cut(scored)
        return score_windows({"": detector}, "", features, windows, scored.ids, known, CountingContext())

    try:
        by_id = np.array([subject.score(detector, clips.renamed(id_)) for id_ in known])
        expected = by_id.min(axis=0)
        scores = score_as_a_run(unknown)
        mixed = score_as_a_run(concatenated(clips, unknown))[len(expected) :]
    except Failed:
        raise
    except Exception as error:
        raise Failed(f"scoring an id that was not in training raised {error_line(error)}") from error
    if _differ(scores, expected, by_id) or _differ(mixed, expected, by_id):
        raise Failed("an id that was not in training does not get the lowest score over the known ids")


def why_no_weight_is_a_sentence(subject: DetectorSubject) -> None:
    """Its method why_no_weight, if any, gives a str, the same after loading, and changes no score."""
    detector = subject.fitted()
    if not hasattr(detector, "why_no_weight"):
        raise Inapplicable("it does not say when its scores mean nothing")
    clips = subject.training_clips()
    features, windows = subject.cut(clips)
    expected = subject.score(detector, clips)
    reason = detector.why_no_weight(features, windows, clips.ids, CountingContext())
    if not isinstance(reason, str):
        raise Failed(f"why_no_weight returned {type(reason).__name__}; expected str")
    if not np.array_equal(subject.score(detector, clips), expected):
        raise Failed("why_no_weight changed the scores")
    loaded = subject.make()
    loaded.load(state_of(detector))
    if loaded.why_no_weight(features, windows, clips.ids, CountingContext()) != reason:
        raise Failed("why_no_weight gives another reason after its state was loaded")


def accepted_scales_are_scored(subject: DetectorSubject) -> None:
    """Where it accepts linear numbers, such as those of an embedding, it is fitted to them and scores them."""
    assert isinstance(subject.config, DetectorConfig)
    if subject.config.scale_problem("linear"):
        raise Inapplicable("with these options it does not accept linear numbers")
    subject.working_use()
    training = subject.training(subject.training_clips())
    features, windows = subject.cut(subject.test_clips())
    detector = subject.make()
    try:
        detector.fit(replace(training, features=_linear(training.features)), CountingContext())
        scores = detector.score(_linear(features), windows, subject.test_clips().ids, CountingContext())
    except Exception as error:
        raise Failed(f"it says that it accepts linear numbers, but {error_line(error)}") from error
    if fault := array_fault("score of linear numbers", scores, np.float32, (len(windows),)):
        raise Failed(fault)


def _linear(features: Features) -> Features:
    """Make linear numbers of both signs from decibels."""
    return replace(features, frames=(features.frames + np.float32(60)) / np.float32(10), scale="linear")


def a_clip_is_fused_on_its_own(subject: FuserSubject) -> None:
    """A clip's fused score is the same alone, among others, and in any order."""
    fuser = subject.working_use().instance
    scores, ids = subject.scores(6, 12, faulty=6)
    expected = subject.working_use().outputs["fused"]
    order = np.random.default_rng(9).permutation(len(ids))
    permuted = fuser.fuse(scores[order], [ids[i] for i in order])
    alone = np.concatenate([fuser.fuse(scores[i : i + 1], ids[i : i + 1]) for i in range(len(ids))])
    if _differ(permuted, expected[order], expected):
        raise Failed("a clip's fused score depends on the order of the clips")
    if _differ(alone, expected, expected):
        raise Failed("a clip's fused score depends on the clips that it is fused with")


def fused_scores_are_not_constant(subject: FuserSubject) -> None:
    """Different clips get different fused scores."""
    fused = subject.working_use().outputs["fused"]
    if len(np.unique(fused)) < 2:
        raise Failed(f"all {len(fused)} clips got {fused[0]}")


def what_all_members_find_scores_higher(subject: FuserSubject) -> None:
    """Clips that every member scores higher than normal ones of their id get higher fused scores."""
    fused = subject.working_use().outputs["fused"]
    if len(np.unique(fused)) < 2:
        raise Inapplicable("see fused_scores_are_not_constant")
    _, ids = subject.scores(6, 12, faulty=6)
    faulty = np.arange(len(ids)) < 6
    for id_ in sorted(set(ids)):
        own = np.array([i == id_ for i in ids])
        value = auc(faulty[own].astype(np.int64), fused[own])
        if value < 1:
            raise Failed(f"AUC {value:.2f} within id {id_} of clips that both members score far higher; expected 1")


def fit_changes_what_is_learnt(subject: FuserSubject) -> None:
    """Fitted on other training scores, its state is different."""
    one, other = state_of(subject.working_use().instance), state_of(subject.fit(seed=8))
    arrays = [key for key, value in one.items() if isinstance(value, np.ndarray) and value.size]
    if not one:
        raise Inapplicable("it learns nothing")
    if all(np.array_equal(np.asarray(one[key]), np.asarray(other[key])) for key in arrays or one):
        raise Failed("its state does not follow from the training scores")


def an_unknown_id_is_fused(subject: FuserSubject) -> None:
    """A clip of an id that had no training clips gets a finite fused score."""
    scores, ids = subject.scores(6, 12)
    fused = subject.working_use().instance.fuse(scores, ["not in training"] * len(ids))
    if not np.isfinite(fused).all():
        raise Failed("clips of an id that was not in training get NaN or infinite scores")


def _differ(one: np.ndarray, other: np.ndarray, scores: np.ndarray) -> bool:
    """Whether scores differ by more than rounding; `scores` show their usual spread."""
    margin = _ROUNDING * float(np.std(scores)) + 1e-5 * float(np.abs(scores).max())
    return bool((np.abs(one - other) > margin).any())
