"""Recordings that are unusual and right, and frames that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asdkit.testing.contract import Failed, Inapplicable, check
from asdkit.testing.subject import shape_fault, told
from asdkit.testing.subjects import AugmenterSubject, DetectorSubject, FeaturizerSubject, FuserSubject
from asdkit.testing.synthetic import IDS, SILENCE, Clips, joined, silent_clip, training_clips, wave


def attempt(what: str, do: Callable[..., Any], *arguments: Any) -> Any:
    """Do it; fail with what it raised."""
    try:
        return do(*arguments)
    except (Failed, Inapplicable):
        raise
    except Exception as error:
        raise Failed(f"{what}: it raised {told(error)}") from error


def _learns_and_scores(subject: DetectorSubject, what: str, train: Clips, test: Clips) -> None:
    """Fit and score; the subject sees to it that the scores are finite."""
    subject.used()
    detector = attempt(f"fitted on {what}", subject.fit, train)
    attempt(f"scoring after a fit on {what}", subject.score, detector, test)


@check("detector")
def silence(subject: DetectorSubject) -> None:
    """A silent clip, in training and to be scored, gives finite scores."""
    clips = subject.clips()
    silent = silent_clip(subject.rows, IDS[0])
    attempt("a silent clip to score", subject.score, subject.fitted(), silent)
    _learns_and_scores(subject, "clips one of which is silent", joined(clips, silent), joined(silent, subject.test()))


@check("detector")
def shortest_clip(subject: DetectorSubject) -> None:
    """Clips of just one window, in training and to be scored, give finite scores."""
    rows = subject.least_rows
    short = training_clips(rows, each=6)
    short = short.of_id(IDS[0]) if len(set(subject.clips().ids)) == 1 else short
    attempt("a clip of one window to score", subject.score, subject.fitted(), short.take([0]))
    _learns_and_scores(subject, "clips of one window", short, short)


@check("detector")
def ragged_lengths(subject: DetectorSubject) -> None:
    """Clips of different lengths, in training and to be scored, give finite scores."""
    clips = subject.clips()
    lengths = [max(subject.least_rows, len(f) - 5 * (i % 7)) for i, f in enumerate(clips.frames)]
    ragged = Clips(tuple(f[:n] for f, n in zip(clips.frames, lengths, strict=True)), clips.ids, clips.faulty)
    _learns_and_scores(subject, "clips of different lengths", ragged, ragged)


@check("detector")
def one_id(subject: DetectorSubject) -> None:
    """Training clips of one id give a detector, or its options refuse one id."""
    _learns_and_scores(subject, "clips of one id", subject.clips().of_id(IDS[0]), subject.test().of_id(IDS[0]))


@check("detector")
def one_clip(subject: DetectorSubject) -> None:
    """One training clip gives a detector, or its options refuse one id."""
    try:
        one_id(subject)
    except Failed:
        raise Inapplicable("one clip is of one id: see one_id") from None
    _learns_and_scores(subject, "one clip", subject.clips().take([0]), subject.test().of_id(IDS[0]))


@check("detector")
def nan_is_refused(subject: DetectorSubject) -> None:
    """NaN among the frames never comes out as a finite score: it raises, or gives NaN, which a run refuses."""
    bad = _spoilt(subject.test().take([0]))
    detector = subject.fitted()
    if _finite(lambda: subject.score(detector, bad)):
        raise Failed("a window with NaN among its frames got a finite score")
    train = subject.clips()
    spoilt = joined(_spoilt(train.take([0])), train.take(range(1, len(train))))
    if _finite(lambda: subject.score(subject.fit(spoilt), subject.test())):
        raise Failed("fitted on frames with NaN among them, it gives finite scores")


def _spoilt(clip: Clips) -> Clips:
    frames = clip.frames[0].copy()
    frames[:, 3] = np.nan
    return Clips((frames,), clip.ids, clip.faulty)


def _finite(do: Callable[[], np.ndarray]) -> bool:
    try:
        return bool(np.isfinite(do()).all())
    except Inapplicable:
        raise
    except Exception:  # any refusal will do
        return False


@check("featurizer")
def silent_waves(subject: FeaturizerSubject) -> None:
    """Silence gives finite frames."""
    featurizer = subject.used().instance
    for dtype in (np.float32, np.int16):
        frames = attempt("silence", subject.fill, featurizer, np.zeros(16_000, dtype))
        if fault := shape_fault("fill (silence)", frames, np.float32, frames.shape):
            raise Failed(fault)


@check("featurizer")
def shortest_waves(subject: FeaturizerSubject) -> None:
    """The shortest wave that has a frame, one a sample shorter, and an empty one are no trouble."""
    featurizer = subject.used().instance
    least = next((n for n in range(1, 16_001) if featurizer.rows(n) > 0), 16_000)
    for n in {0, least - 1, least, least + 1}:
        rows = attempt(f"rows({n})", featurizer.rows, n)
        if not isinstance(rows, int) or rows < 0 or rows > featurizer.rows(n + 1):
            raise Failed(f"rows({n}) is {rows!r}, rows({n + 1}) is {featurizer.rows(n + 1)}; expected counts that grow")
        if n == 0 or not rows:
            continue  # the core fills no clip that has no frame
        frames = attempt(f"a wave of {n} samples", subject.fill, featurizer, wave(1.0)[:n])
        if fault := shape_fault(f"fill ({n} samples)", frames, np.float32, frames.shape):
            raise Failed(fault)


@check("featurizer")
def nan_is_not_hidden(subject: FeaturizerSubject) -> None:
    """A wave with NaN raises, or gives NaN frames, never finite ones."""
    featurizer = subject.used().instance
    sound = wave(1.0)
    sound[8000] = np.nan
    if _finite(lambda: subject.fill(featurizer, sound)):
        raise Failed("a wave with NaN in it gave finite frames")


@check("augmenter")
def unusual_inputs(subject: AugmenterSubject) -> None:
    """Silence, the shortest input, whole numbers and a batch of one id keep their shapes and stay finite."""
    augmenter = subject.used().instance
    for variant in range(max(1, len(subject.variants))):
        if augmenter.kind == "wave":
            for sound in (np.zeros(16_000, np.float32), wave(0.01), wave(0.5, "int16")):
                made = attempt("an unusual wave", subject.vary, augmenter, sound, variant)
                dtype = np.int16 if isinstance(made, np.ndarray) and made.dtype == np.int16 else np.float32
                length = augmenter.samples(len(sound), variant)
                if fault := shape_fault(f"vary ({len(sound)} samples)", made, dtype, (length,)):
                    raise Failed(fault)
            continue
        windows, targets = subject.windows(ids=1)
        for batch, share in (
            (windows, targets),
            (windows[:1], targets[:1]),
            (np.full_like(windows, SILENCE), targets),
            (windows[:, :1], targets),
        ):
            made, shares = attempt("an unusual batch", subject.transform, augmenter, batch, share, variant)
            fault = shape_fault("transform (windows)", made, np.float32, batch.shape) or shape_fault(
                "transform (targets)", shares, np.float32, share.shape
            )
            if fault:
                raise Failed(fault)


@check("fuser")
def unusual_scores(subject: FuserSubject) -> None:
    """One training clip, one id, and a member whose scores are all alike give finite fused scores."""
    subject.used()
    scores, ids = subject.scores()
    alike = scores.copy()
    alike[:, 0] = 0.5
    own = [i for i, id_ in enumerate(ids) if id_ == IDS[0]]
    one_id = scores[own], [IDS[0]] * len(own)
    for what, (train, train_ids) in {
        "one clip": (scores[:1], ids[:1]),
        "one id": one_id,
        "a member whose scores are all alike": (alike, ids),
    }.items():
        fuser = subject.make()
        attempt(f"fitted on {what}", fuser.fit, train, train_ids)
        fused = attempt(f"fused after {what}", fuser.fuse, *subject.scores(6, 12))
        if fault := shape_fault(f"fuse after {what}", fused, np.float64, (12,)):
            raise Failed(fault)


@check("fuser")
def nan_scores_are_refused(subject: FuserSubject) -> None:
    """A member's NaN never comes out as a finite score: it raises, or gives NaN."""
    scores, ids = subject.scores(6, 12)
    scores[0, 0] = np.nan
    fuser = subject.used().instance
    if _finite(lambda: fuser.fuse(scores, ids)[:1]):
        raise Failed("a clip that one member scores NaN got a finite fused score")
