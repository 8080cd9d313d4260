"""What detectors and fusers learn.

What was learnt, in another process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asdkit.errors import NotFitted, PluginError, Stopped
from asdkit.metrics import auc
from asdkit.testing.child_process import SubprocessResult, importable, use_elsewhere
from asdkit.testing.contract import Failed, Inapplicable, check
from asdkit.testing.side_effects import disturb_generators
from asdkit.testing.subject import CountingContext, Subject, same, state_of, told
from asdkit.testing.subjects import DetectorSubject, FuserSubject

Learner = DetectorSubject | FuserSubject

_GOOD_AUC = 0.75  # of a fault of 24 dB in four of 32 bands, after a training of seconds
_STEP = 0.1


@check("detector", "fuser")
def unfitted_use_raises_not_fitted(subject: Learner) -> None:
    """Before fit and load, to ask for scores or the state raises NotFitted."""
    fitted = subject.used().instance
    if isinstance(subject, FuserSubject):
        if not fitted.state():
            raise Inapplicable("it learns nothing")
        asks: dict[str, Callable[[Any], Any]] = {
            "fuse": lambda new: new.fuse(*subject.scores()),
            "state": lambda new: new.state(),
        }
    else:
        features, windows = subject.cut(subject.test())
        ids = subject.test().ids
        asks = {
            "score": lambda new: new.score(features, windows, ids, CountingContext()),
            "state": lambda new: new.state(),
        }
    for name, ask in asks.items():
        try:
            ask(subject.make())
        except NotFitted:
            continue
        except Exception as error:
            raise Failed(f"{name} before fit raised {told(error)}; expected asdkit.api.NotFitted") from error
        raise Failed(f"{name} before fit raised nothing; expected asdkit.api.NotFitted")


@check("detector")
def fit_changes_what_is_learnt(subject: DetectorSubject) -> None:
    """Fitted on other recordings with the same seed, most numbers of its state are others."""
    one, other = subject.learnt(subject.fitted()), subject.learnt(subject.fitted_on_twin())
    total = changed = 0
    for key, value in one.items():
        twin = other.get(key)
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
            alike = isinstance(twin, np.ndarray) and twin.shape == value.shape
            total += value.size
            changed += int(np.count_nonzero(value != twin)) if alike else value.size
        elif isinstance(value, float):
            total, changed = total + 1, changed + (value != twin)
    if not total:
        raise Failed("its state holds no decimal number: nothing that could have been learnt")
    if 2 * changed < total:
        raise Failed(
            f"only {changed} of {total} numbers of its state follow from what it was fitted on; "
            "do its weights move (a backward pass that is missing, parameters that no optimiser has)?"
        )


@check("detector")
def scores_are_not_constant(subject: DetectorSubject) -> None:
    """Windows of different clips get different scores."""
    scores = subject.used().made["scores"]
    if len(np.unique(scores)) < 2:
        raise Failed(f"all {len(scores)} windows got the score {scores[0]}")


@check("detector")
def faults_score_higher(subject: DetectorSubject) -> None:
    """Clips with a planted fault get higher scores than healthy ones."""
    value = _auc(subject, subject.fitted())
    if value < _GOOD_AUC:
        raise Failed(
            f"AUC {value:.2f} of a plain planted fault, expected {_GOOD_AUC} or more; higher is more anomalous"
        )


@check("detector")
def training_pays(subject: DetectorSubject) -> None:
    """It tells faults better than when it has not learnt: trained where the planted fault is healthy, it misses it."""
    trained, untrained = _auc(subject, subject.fitted()), _auc(subject, subject.fitted_on_twin())
    if trained < _GOOD_AUC:
        raise Inapplicable("it does not find the planted fault: see faults_score_higher")
    if trained < untrained + _STEP:
        raise Failed(
            f"AUC {trained:.2f} trained on healthy clips, {untrained:.2f} trained where the fault is healthy: "
            "its scores do not follow from what it was trained on"
        )


def _auc(subject: DetectorSubject, detector: object) -> float:
    clips = subject.test()
    scores = subject.clip_scores(detector, clips)
    if len(np.unique(scores)) < 2:
        raise Inapplicable("its scores are constant: see scores_are_not_constant")
    return auc(np.array(clips.faulty, np.int64), scores)


@check("detector", "featurizer", "augmenter", "fuser")
def same_seed_same_result(subject: Subject) -> None:
    """Used again with the same seed, it gives the same bit for bit, whatever the global generators hold."""
    second, _ = subject.second_use
    difference = subject.second_difference()
    if difference:
        raise Failed(f"a second use gave something else: {difference}; take randomness from ctx.rng(name) or rng alone")
    if second.error is not None:
        raise Failed(f"a second use raised {told(second.error)}") from second.error


@check("detector", "fuser")
def refit_forgets(subject: Learner) -> None:
    """Fitted on other recordings first and then on these, it has learnt what it learns from these alone."""
    subject.used()
    if subject.second_difference():
        raise Inapplicable("no two fits are alike: see same_seed_same_result")
    disturb_generators(12)
    try:
        if isinstance(subject, FuserSubject):
            again = subject.fit(subject.fit(seed=8))
        else:
            again = subject.fit(subject.clips(), subject.fitted_on_twin())
    except Inapplicable:
        raise
    except Exception as error:
        raise Failed(f"to fit it once more raised {told(error)}") from error
    difference = same(state_of(subject.used().instance), state_of(again))
    if difference:
        raise Failed(f"an earlier fit is not forgotten: {difference}")


@check("detector")
def stops_within_a_batch(subject: DetectorSubject) -> None:
    """Asked to stop while it fits, it raises Stopped at once; it asks within each pass over the clips."""
    asked = subject.used().asked
    if not asked:
        raise Failed("fit never asks ctx.should_stop(); ask once a batch, and raise asdkit.api.Stopped")
    epochs = getattr(subject.config, "epochs", 0)
    if asked <= epochs:
        raise Failed(f"fit asked {asked} times in {epochs} epochs whether to stop; ask once a batch")
    ctx = CountingContext(stop_at=max(1, asked // 3))
    try:
        subject.fit(subject.clips(), ctx=ctx)
    except Stopped:
        if ctx.asked_after > 2:
            raise Failed(f"it went on for {ctx.asked_after} questions after it was asked to stop") from None
        return
    except Inapplicable:
        raise
    except Exception as error:
        raise Failed(f"asked to stop, fit raised {told(error)}; expected asdkit.api.Stopped") from error
    raise Failed("asked to stop, fit went on to its end; expected asdkit.api.Stopped")


@check("detector", "fuser")
def state_survives_a_new_process(subject: DetectorSubject | FuserSubject) -> None:
    """Loaded from a file in a new process, it scores the same bit for bit, and has the same state."""
    use = subject.used()
    there = elsewhere(subject)
    if "load" in there.errors:
        raise Failed(f"in a new process, load or a score after it raised {there.errors['load']}")
    difference = same(dict(use.made), dict(there.made))
    if difference:
        raise Failed(f"loaded in a new process, it scores otherwise: {difference}")
    difference = same(dict(use.instance.state()), dict(there.state))
    if difference:
        raise Failed(f"loaded in a new process, its state is another: {difference}")


@check("detector", "featurizer", "augmenter", "fuser")
def runs_without_cuda(subject: Subject) -> None:
    """It works in a new process that sees no GPU."""
    subject.used()
    there = elsewhere(subject)
    if "use" in there.errors:
        raise Failed(f"in a new process without CUDA it raised {there.errors['use']}")


def elsewhere(subject: Subject) -> SubprocessResult:
    """What a new process made of the plugin; asked once for both checks."""
    if subject.elsewhere is None:
        if not importable(subject.entry):
            raise Inapplicable("it is no module's: a new process cannot import it")
        state = None
        if isinstance(subject, DetectorSubject | FuserSubject):
            state = subject.used().instance.state()
        try:
            subject.elsewhere = use_elsewhere(subject, state)
        except PluginError as error:
            raise Failed(str(error)) from error
    if "process" in subject.elsewhere.errors:
        raise Failed(f"a new process came to nothing: {subject.elsewhere.errors['process']}")
    return subject.elsewhere
