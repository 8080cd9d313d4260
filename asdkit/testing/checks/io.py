"""Checks of what a plugin takes and returns: arrays, unusual recordings, invalid numbers; and of its side effects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.subject import CountingContext, Subject, array_fault
from asdkit.testing.subjects import AugmenterSubject, DetectorSubject, FeaturizerSubject, FuserSubject
from asdkit.testing.synthetic import IDS, SAMPLE_RATE, SILENCE, Clips, concatenated, silent_clip, wave
from asdkit.text import error_line


def keeps_its_contract(subject: Subject) -> None:
    """Used as a run uses it, it returns arrays of the promised shapes and dtypes, all finite."""
    if subject.construction_error:
        raise Inapplicable("it cannot be constructed: see defaults_construct")
    subject.note(subject.amounts)
    use = subject.first_use
    if use.error is not None:
        raise Failed(f"it raised {error_line(use.error)}") from use.error
    if fault := subject.fault(use.outputs):
        raise Failed(fault)


def inputs_are_unchanged(subject: Subject) -> None:
    """It works on read-only input arrays, and does not change them."""
    instance = subject.working_use().instance
    if isinstance(subject, AugmenterSubject) and instance.kind == "window":
        raise Inapplicable("a window augmenter may change its batch in place")
    try:
        subject.use(subject.make(), CountingContext(), read_only=True)
    except Failed:
        raise
    except Exception as error:
        raise Failed(f"it does not work on read-only arrays: {error_line(error)}") from error


def silence(subject: DetectorSubject) -> None:
    """A silent clip, in training and among the clips to score, gives finite scores."""
    clips = subject.training_clips()
    silent = silent_clip(subject.rows, IDS[0])
    _attempt("a silent clip to score", subject.score, subject.fitted(), silent)
    test = concatenated(silent, subject.test_clips())
    _fit_and_score(subject, "clips one of which is silent", concatenated(clips, silent), test)


def shortest_clip(subject: DetectorSubject) -> None:
    """Clips of just one window, in training and to score, give finite scores."""
    short = subject.shortest_clips()
    _attempt("a clip of one window to score", subject.score, subject.fitted(), short.take([0]))
    _fit_and_score(subject, "clips of one window", short, short)


def ragged_lengths(subject: DetectorSubject) -> None:
    """Clips of different lengths, in training and to score, give finite scores."""
    clips = subject.training_clips()
    lengths = [max(subject.least_rows, len(f) - 5 * (i % 7)) for i, f in enumerate(clips.frames)]
    ragged = Clips(tuple(f[:n] for f, n in zip(clips.frames, lengths, strict=True)), clips.ids, clips.faulty)
    _fit_and_score(subject, "clips of different lengths", ragged, ragged)


def one_id(subject: DetectorSubject) -> None:
    """It can be fitted on training clips of one id, or its options refuse one id."""
    train, test = subject.training_clips().of_id(IDS[0]), subject.test_clips().of_id(IDS[0])
    _fit_and_score(subject, "clips of one id", train, test)


def one_clip(subject: DetectorSubject) -> None:
    """It can be fitted on one training clip, or its options refuse one id."""
    try:
        one_id(subject)
    except Failed:
        raise Inapplicable("one clip has one id: see one_id") from None
    _fit_and_score(subject, "one clip", subject.training_clips().take([0]), subject.test_clips().of_id(IDS[0]))


def silent_waves(subject: FeaturizerSubject) -> None:
    """Silence gives finite frames."""
    featurizer = subject.working_use().instance
    for dtype in (np.float32, np.int16):
        frames = _attempt("silence", subject.fill, featurizer, np.zeros(SAMPLE_RATE, dtype))
        if fault := array_fault("fill (silence)", frames, np.float32, frames.shape):
            raise Failed(fault)


def shortest_waves(subject: FeaturizerSubject) -> None:
    """The shortest wave that has a frame, one a sample shorter, and an empty one raise nothing."""
    featurizer = subject.working_use().instance
    least = next((n for n in range(1, SAMPLE_RATE + 1) if featurizer.rows(n) > 0), SAMPLE_RATE)
    for n in {0, least - 1, least, least + 1}:
        rows = _attempt(f"rows({n})", featurizer.rows, n)
        if not isinstance(rows, int) or rows < 0 or rows > featurizer.rows(n + 1):
            raise Failed(f"rows({n}) is {rows!r}, rows({n + 1}) is {featurizer.rows(n + 1)}; expected counts that grow")
        if n == 0 or not rows:
            continue  # the core fills no clip that has no frame
        frames = _attempt(f"a wave of {n} samples", subject.fill, featurizer, wave(1.0)[:n])
        if fault := array_fault(f"fill ({n} samples)", frames, np.float32, frames.shape):
            raise Failed(fault)


def unusual_inputs(subject: AugmenterSubject) -> None:
    """Silence, the shortest input, int16 samples and a batch of one id keep their shapes and remain finite."""
    augmenter = subject.working_use().instance
    vary = _vary_unusual_waves if augmenter.kind == "wave" else _transform_unusual_batches
    for variant in range(max(1, len(subject.variants))):
        vary(subject, augmenter, variant)


def _vary_unusual_waves(subject: AugmenterSubject, augmenter: Any, variant: int) -> None:
    for sound in (np.zeros(SAMPLE_RATE, np.float32), wave(0.01), wave(0.5, "int16")):
        varied = _attempt("an unusual wave", subject.vary, augmenter, sound, variant)
        length = augmenter.samples(len(sound), variant)
        if fault := subject.wave_fault(f"vary ({len(sound)} samples)", varied, length):
            raise Failed(fault)


def _transform_unusual_batches(subject: AugmenterSubject, augmenter: Any, variant: int) -> None:
    windows, targets = subject.windows(ids=1)
    for batch, shares in (
        (windows, targets),
        (windows[:1], targets[:1]),
        (np.full_like(windows, SILENCE), targets),
        (windows[:, :1], targets),
    ):
        new_batch, new_shares = _attempt("an unusual batch", subject.transform, augmenter, batch, shares, variant)
        fault = array_fault("transform (windows)", new_batch, np.float32, batch.shape) or array_fault(
            "transform (targets)", new_shares, np.float32, shares.shape
        )
        if fault:
            raise Failed(fault)


def unusual_scores(subject: FuserSubject) -> None:
    """One training clip, one id, and a member with constant scores give finite fused scores."""
    subject.working_use()
    scores, ids = subject.scores()
    constant = scores.copy()
    constant[:, 0] = 0.5
    own = [i for i, id_ in enumerate(ids) if id_ == IDS[0]]
    for what, (train, train_ids) in {
        "one clip": (scores[:1], ids[:1]),
        "one id": (scores[own], [IDS[0]] * len(own)),
        "a member with constant scores": (constant, ids),
    }.items():
        fuser = subject.make()
        _attempt(f"fitted on {what}", fuser.fit, train, train_ids)
        fused = _attempt(f"fused after {what}", fuser.fuse, *subject.scores(6, 12))
        if fault := array_fault(f"fuse after {what}", fused, np.float64, (12,)):
            raise Failed(fault)


def generators_and_threads_are_untouched(subject: Subject) -> None:
    """Global random generators, thread settings and the state of the process are the same before and after."""
    subject.working_use()
    _, effects = subject.second_use
    if subject.changes:
        raise Failed(f"it {'; it '.join(dict.fromkeys(subject.changes))}; leave the process as it was")
    if effects.settings:
        raise Failed(
            f"it changed {', '.join(effects.settings)}; use ctx.rng(name) and ctx.threads, and restore the rest"
        )


def no_file_is_written(subject: Subject) -> None:
    """It writes, creates and removes no file: the core does all writing."""
    subject.working_use()
    _, effects = subject.second_use
    if effects.files:
        raise Failed(f"it wrote {', '.join(dict.fromkeys(effects.files))}")


def nothing_is_printed(subject: Subject) -> None:
    """It prints nothing to standard output or standard error."""
    subject.working_use()
    _, effects = subject.second_use
    if effects.printed.strip():
        raise Failed(f"it printed {effects.printed.strip().splitlines()[0]!r}; use ctx.progress or AsdkitWarning")


def _attempt(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; fail with the exception that it raises."""
    try:
        return function(*arguments)
    except (Failed, Inapplicable):
        raise
    except Exception as error:
        raise Failed(f"{what}: it raised {error_line(error)}") from error


def _fit_and_score(subject: DetectorSubject, what: str, train: Clips, test: Clips) -> None:
    """Fit and score; `DetectorSubject.score` checks that the scores are finite."""
    subject.working_use()
    detector = _attempt(f"fitted on {what}", subject.fit, train)
    _attempt(f"scoring after a fit on {what}", subject.score, detector, test)
