"""Checks of what detectors and fusers learn, and of their state in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asdkit.errors import NotFitted, PluginError, Stopped
from asdkit.metrics import auc
from asdkit.testing.child_process import importable, use_in_subprocess
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.side_effects import seed_global_generators
from asdkit.testing.subject import CountingContext, Subject, SubprocessResult, difference, state_of
from asdkit.testing.subjects import DetectorSubject, FuserSubject
from asdkit.text import error_line

Learner = DetectorSubject | FuserSubject

_GOOD_AUC = 0.75  # of a fault of 24 dB in four of 32 bands, after a training of seconds
_LEAST_GAIN = 0.1  # of the AUC by training
_LARGEST_SHARE = 0.5  # of the separation, left after training where the fault is normal


def unfitted_use_raises_not_fitted(subject: Learner) -> None:
    """Before fit and load, a request for scores or the state raises NotFitted."""
    fitted = subject.working_use().instance
    requests: dict[str, Callable[[Any], Any]]
    if isinstance(subject, FuserSubject):
        if not fitted.state():
            raise Inapplicable("it learns nothing")
        requests = {
            "fuse": lambda new: new.fuse(*subject.scores()),
            "state": lambda new: new.state(),
        }
    else:
        features, windows = subject.cut(subject.test_clips())
        ids = subject.test_clips().ids
        requests = {
            "score": lambda new: new.score(features, windows, ids, CountingContext()),
            "state": lambda new: new.state(),
        }
    for name, request in requests.items():
        try:
            request(subject.make())
        except NotFitted:
            continue
        except Exception as error:
            raise Failed(f"{name} before fit raised {error_line(error)}; expected asdkit.api.NotFitted") from error
        raise Failed(f"{name} before fit raised nothing; expected asdkit.api.NotFitted")


def fit_changes_what_is_learnt(subject: DetectorSubject) -> None:
    """Fitted on other recordings with the same seed, most numbers of its state are different."""
    one, other = state_of(subject.fitted()), state_of(subject.fitted_on_twin())
    total = changed = 0
    for key, value in one.items():
        twin = other.get(key)
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
            comparable = isinstance(twin, np.ndarray) and twin.shape == value.shape
            total += value.size
            changed += int(np.count_nonzero(value != twin)) if comparable else value.size
        elif isinstance(value, float):
            total, changed = total + 1, changed + (value != twin)
    if not total:
        raise Failed("its state holds no decimal number that training could change")
    if 2 * changed < total:
        raise Failed(
            f"only {changed} of {total} numbers of its state follow from the training clips; "
            "do its weights move (is there a backward pass, and does the optimiser have all parameters)?"
        )


def scores_are_not_constant(subject: DetectorSubject) -> None:
    """Windows of different clips get different scores."""
    scores = subject.working_use().outputs["scores"]
    if len(np.unique(scores)) < 2:
        raise Failed(f"all {len(scores)} windows got the score {scores[0]}")


def faults_score_higher(subject: DetectorSubject) -> None:
    """Clips with a planted fault get higher scores than normal ones."""
    value, _ = _auc_and_separation(subject, subject.fitted())
    if value < _GOOD_AUC:
        raise Failed(
            f"AUC {value:.2f} of a simple planted fault, expected {_GOOD_AUC} or more; higher is more anomalous"
        )


def training_pays(subject: DetectorSubject) -> None:
    """It finds the planted fault better after training on normal clips than after training on clips with the fault.

    The AUC alone does not show it: a network that cannot reconstruct the fault even after training on it still ranks
    it first. What then falls is the separation of the scores.
    """
    trained, separation = _auc_and_separation(subject, subject.fitted())
    on_twin, separation_on_twin = _auc_and_separation(subject, subject.fitted_on_twin())
    if trained < _GOOD_AUC:
        raise Inapplicable("it does not find the planted fault: see faults_score_higher")
    if trained < on_twin + _LEAST_GAIN and separation_on_twin > _LARGEST_SHARE * separation:
        raise Failed(
            f"trained on normal clips: AUC {trained:.2f}, scores of faults {separation:.1f} deviations above normal "
            f"ones; trained where the fault is normal: {on_twin:.2f}, {separation_on_twin:.1f}. Its scores do not "
            f"depend on its training clips (expected a gain of {_LEAST_GAIN}, or half the deviations)"
        )


def _auc_and_separation(subject: DetectorSubject, detector: object) -> tuple[float, float]:
    """Return the AUC of the planted fault, and how many deviations of normal scores lie between the mean scores."""
    clips = subject.comparison_clips()
    scores, faulty = subject.clip_scores(detector, clips), np.array(clips.faulty)
    if len(np.unique(scores)) < 2:
        raise Inapplicable("its scores are constant: see scores_are_not_constant")
    gap = scores[faulty].mean() - scores[~faulty].mean()
    deviation = max(float(scores[~faulty].std()), 1e-9 * float(np.abs(scores).max()))
    return auc(faulty.astype(np.int64), scores), float(gap / deviation)


def same_seed_same_result(subject: Subject) -> None:
    """Used again with the same seed, the result is the same bit for bit, whatever the global generators' states."""
    second, _ = subject.second_use
    changed = subject.second_difference()
    if changed:
        raise Failed(f"a second use gave another result: {changed}; take randomness only from ctx.rng(name) or rng")
    if second.error is not None:
        raise Failed(f"a second use raised {error_line(second.error)}") from second.error


def refit_forgets(subject: Learner) -> None:
    """Fitted on other recordings first and then on these, its state is that of a fit on these only."""
    subject.working_use()
    if subject.second_difference():
        raise Inapplicable("no two fits are the same: see same_seed_same_result")
    seed_global_generators(12)
    try:
        if isinstance(subject, FuserSubject):
            refitted = subject.fit(subject.fit(seed=8))
        else:
            refitted = subject.fit(subject.training_clips(), subject.fitted_on_twin())
    except Inapplicable:
        raise
    except Exception as error:
        raise Failed(f"a second fit raised {error_line(error)}") from error
    changed = difference(state_of(subject.working_use().instance), state_of(refitted))
    if changed:
        raise Failed(f"an earlier fit is not forgotten: {changed}")


def stops_within_a_batch(subject: DetectorSubject) -> None:
    """When it is to stop during a fit, it raises Stopped at once; it asks within each pass over the clips."""
    calls = subject.working_use().stop_calls
    if not calls:
        raise Failed("fit never calls ctx.should_stop(); call it once a batch, and raise asdkit.api.Stopped")
    epochs = getattr(subject.config, "epochs", 0)
    if calls <= epochs:
        raise Failed(f"fit called ctx.should_stop() {calls} times in {epochs} epochs; call it once a batch")
    ctx = CountingContext(stop_at=max(1, calls // 3))
    try:
        subject.fit(subject.training_clips(), ctx=ctx)
    except Stopped:
        if ctx.calls_after_stop > 2:
            raise Failed(f"it continued for {ctx.calls_after_stop} calls after should_stop returned True") from None
        return
    except Inapplicable:
        raise
    except Exception as error:
        raise Failed(f"when it was to stop, fit raised {error_line(error)}; expected asdkit.api.Stopped") from error
    raise Failed("when it was to stop, fit continued to its end; expected asdkit.api.Stopped")


def state_survives_a_new_process(subject: Learner) -> None:
    """Loaded from a file in a new process, its scores and its state are the same bit for bit."""
    use = subject.working_use()
    result = subprocess_result(subject)
    if "load" in result.errors:
        raise Failed(f"in a new process, load or a score after it raised {result.errors['load']}")
    changed = difference(use.outputs, result.outputs)
    if changed:
        raise Failed(f"loaded in a new process, its scores are different: {changed}")
    changed = difference(use.instance.state(), result.state)
    if changed:
        raise Failed(f"loaded in a new process, its state is different: {changed}")


def runs_without_cuda(subject: Subject) -> None:
    """It works in a new process without a GPU."""
    subject.working_use()
    result = subprocess_result(subject)
    if "use" in result.errors:
        raise Failed(f"in a new process without CUDA it raised {result.errors['use']}")


def subprocess_result(subject: Subject) -> SubprocessResult:
    """Use the plugin in a new process, once for all checks."""
    if subject.subprocess_result is None:
        if not importable(subject.entry):
            raise Inapplicable("it is not in a module: a new process cannot import it")
        state = None
        if isinstance(subject, DetectorSubject | FuserSubject):
            state = subject.working_use().instance.state()
        try:
            subject.subprocess_result = use_in_subprocess(subject, state)
        except PluginError as error:
            raise Failed(str(error)) from error
    if "process" in subject.subprocess_result.errors:
        raise Failed(f"a new process failed: {subject.subprocess_result.errors['process']}")
    return subject.subprocess_result
