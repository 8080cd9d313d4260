"""What a clip's score depends on.

What fused scores mean.

What augmented sounds and windows are.

What frames are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from asdkit.config import AugmenterConfig
from asdkit.metrics import auc
from asdkit.scoring import score_windows
from asdkit.testing.contract import Failed, Inapplicable, check
from asdkit.testing.subject import CountingContext, told
from asdkit.testing.subjects import AugmenterSubject, DetectorSubject, FeaturizerSubject, FuserSubject
from asdkit.testing.synthetic import SAMPLE_RATE, Clips, joined, wave

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

    def score(scored: Clips) -> np.ndarray:
        features, windows = subject.cut(scored)
        return score_windows({"": detector}, "", features, windows, scored.ids, known, CountingContext())

    try:
        by_id = np.array([subject.score(detector, _renamed(clips, id_)) for id_ in known])
        expected = by_id.min(axis=0)
        scores = score(_renamed(clips, "not in training"))
        mixed = score(joined(clips, _renamed(clips, "not in training")))[len(expected) :]
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


@check("augmenter")
def it_changes_something(subject: AugmenterSubject) -> None:
    """Every variant differs from what it is made of, and from the other variants."""
    use = subject.used()
    made = [use.made[key] for key in use.made if key.endswith((".wave", ".windows"))]
    original = wave(1.0) if use.instance.kind == "wave" else subject.windows()[0]
    for number, one in enumerate(made):
        if np.array_equal(one, original):
            raise Failed(f"variant {number} is what it was made of, unchanged")
        if use.instance.kind == "wave" and any(np.array_equal(one, other) for other in made[:number]):
            raise Failed(f"variant {number} is the same as an earlier one")


@check("augmenter")
def variants_have_names(subject: AugmenterSubject) -> None:
    """Its variants have names of their own; one of waves has a variant at least."""
    names = subject.variants
    if any(not isinstance(name, str) or not name for name in names) or len(set(names)) < len(names):
        raise Failed(f"variant_names is {names!r}; expected different texts")
    if subject.used().instance.kind == "wave" and not names:
        raise Failed("an augmenter of waves makes variants; name them in its config's variant_names")


@check("augmenter")
def targets_say_what_is_in_a_window(subject: AugmenterSubject) -> None:
    """Targets stay shares that add up to 1; without soft_targets they stay as they are."""
    use = subject.used()
    if use.instance.kind == "wave":
        raise Inapplicable("targets are a window augmenter's")
    assert isinstance(subject.config, AugmenterConfig)
    _, before = subject.windows()
    for key in [key for key in use.made if key.endswith(".targets")]:
        targets = use.made[key]
        if (targets < 0).any() or np.abs(targets.sum(axis=1) - 1).max() > 1e-5:
            raise Failed("targets do not add up to 1 for each window")
        if not subject.config.soft_targets and not np.array_equal(targets, before):
            raise Failed("targets were changed; set soft_targets in its config, or leave them")


@check("augmenter")
def randomness_comes_from_rng(subject: AugmenterSubject) -> None:
    """Another generator gives other windows: what is random follows from it."""
    augmenter = subject.used().instance
    if augmenter.kind == "wave":
        raise Inapplicable("variants of waves are fixed")
    one, other = (subject.transform(augmenter, *subject.windows(), seed=seed)[0] for seed in (1, 2))
    if np.array_equal(one, other):
        raise Failed("two generators gave the same windows; draw from rng, anew for each batch")


_CLOSE = 1e-3  # dB, or of the largest power


@check("featurizer")
def frames_follow_the_sound(subject: FeaturizerSubject) -> None:
    """Other sounds give other frames."""
    featurizer = subject.used().instance
    if np.array_equal(subject.fill(featurizer, wave(1.0)), subject.fill(featurizer, wave(1.0, seed=4))):
        raise Failed("two sounds gave the same frames")


@check("featurizer")
def whole_numbers_are_scaled(subject: FeaturizerSubject) -> None:
    """The same sound as int16 and as float32 (its samples / 32768) gives the same frames."""
    featurizer = subject.used().instance
    one, other = (subject.fill(featurizer, wave(1.0, kind)) for kind in ("float32", "int16"))
    margin = _CLOSE if featurizer.scale == "db" else _CLOSE * np.abs(one).max()
    if np.abs(one - other).max() > margin:
        raise Failed(f"frames differ by up to {np.abs(one - other).max():g}; int16 means sample / 32768")


@check("featurizer")
def frequencies_are_those_of_the_bands(subject: FeaturizerSubject) -> None:
    """Frequencies, where it has such a method, are one for each band, finite, ascending, up to half the sample rate."""
    featurizer = subject.used().instance
    if not hasattr(featurizer, "frequencies"):
        raise Inapplicable("it does not say which frequencies its bands have")
    found = np.asarray(featurizer.frequencies(SAMPLE_RATE))
    if found.shape != (featurizer.bands,) or found.dtype != np.float64:
        raise Failed(f"frequencies are {found.dtype} {list(found.shape)}; expected float64 [{featurizer.bands}]")
    if not (np.isfinite(found).all() and (np.diff(found) > 0).all() and found[0] >= 0 and found[-1] <= SAMPLE_RATE / 2):
        raise Failed(f"frequencies from {found.min():g} to {found.max():g} Hz; expected ascending, 0 to half the rate")


@check("featurizer")
def threads_do_not_disturb_each_other(subject: FeaturizerSubject) -> None:
    """Filled from several threads at once, every clip's frames are what they are alone."""
    featurizer = subject.used().instance
    if subject.second_difference():
        raise Inapplicable("it never gives the same frames twice: see same_seed_same_result")
    sounds = [wave(0.5 + 0.1 * (i % 3), seed=i) for i in range(16)]
    alone = [subject.fill(featurizer, sound) for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda sound: subject.fill(featurizer, sound), sounds))
    if any(not np.array_equal(a, b) for a, b in zip(alone, together, strict=True)):
        raise Failed("frames differ when several threads fill at once; is there a buffer that they share?")
