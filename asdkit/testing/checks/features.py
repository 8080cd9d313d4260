"""Checks of the frames of featurizers, and of the waves and windows of augmenters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from asdkit.config import AugmenterConfig
from asdkit.errors import NotFitted
from asdkit.feature_extraction import hop_and_reach
from asdkit.run.state_codec import decode_state, encode_state
from asdkit.testing.contract import Failed, Inapplicable
from asdkit.testing.subject import difference, state_of
from asdkit.testing.subjects import AugmenterSubject, FeaturizerSubject
from asdkit.testing.synthetic import SAMPLE_RATE, wave
from asdkit.text import error_line

_ROUNDING = 1e-3  # dB, or share of the largest power


def frames_follow_the_sound(subject: FeaturizerSubject) -> None:
    """Different sounds give different frames."""
    featurizer = subject.working_use().instance
    if np.array_equal(subject.fill(featurizer, wave(1.0)), subject.fill(featurizer, wave(1.0, seed=4))):
        raise Failed("two sounds gave the same frames")


def whole_numbers_are_scaled(subject: FeaturizerSubject) -> None:
    """The same sound as int16 and as float32 (its samples / 32768) gives the same frames."""
    featurizer = subject.working_use().instance
    one, other = (subject.fill(featurizer, wave(1.0, kind)) for kind in ("float32", "int16"))
    margin = _ROUNDING if featurizer.scale == "db" else _ROUNDING * np.abs(one).max()
    if np.abs(one - other).max() > margin:
        raise Failed(f"frames differ by up to {np.abs(one - other).max():g}; int16 means sample / 32768")


def frequencies_are_those_of_the_bands(subject: FeaturizerSubject) -> None:
    """Its method frequencies, if any, gives one per band, finite, ascending, up to half the sample rate."""
    featurizer = subject.working_use().instance
    if not hasattr(featurizer, "frequencies"):
        raise Inapplicable("it does not say which frequencies its bands have")
    found = np.asarray(featurizer.frequencies(SAMPLE_RATE))
    if found.shape != (featurizer.bands,) or found.dtype != np.float64:
        raise Failed(f"frequencies are {found.dtype} {list(found.shape)}; expected float64 [{featurizer.bands}]")
    if not (np.isfinite(found).all() and (np.diff(found) > 0).all() and found[0] >= 0 and found[-1] <= SAMPLE_RATE / 2):
        raise Failed(f"frequencies from {found.min():g} to {found.max():g} Hz; expected ascending, 0 to half the rate")


def parts_have_the_frames_of_the_whole(subject: FeaturizerSubject) -> None:
    """If it has hop and reach, the frames of a part of a wave are those of the whole wave, but for the part's ends."""
    featurizer = subject.working_use().instance
    stated = hop_and_reach(featurizer)
    if stated is None:
        raise Inapplicable("it has no hop and reach, so it gets waves whole")
    if subject.second_difference():
        raise Inapplicable("it never gives the same frames twice: see same_seed_same_result")
    hop, reach = stated
    sound = wave(2.0)
    whole = subject.fill(featurizer, sound)
    margin = -(-reach // hop)
    first, last = 1, len(sound) // hop // 2
    part = subject.fill(featurizer, sound[first * hop : last * hop])
    expected, found = whole[first + margin : last - margin], part[margin : last - first - margin]
    near = _ROUNDING if featurizer.scale == "db" else _ROUNDING * np.abs(whole).max()
    if found.shape != expected.shape or (found.size and np.abs(found - expected).max() > near):
        raise Failed(f"frames of a part differ; is a frame every {hop} samples, and depends on {reach} to each side?")


def threads_do_not_disturb_each_other(subject: FeaturizerSubject) -> None:
    """Filled from several threads at once, every clip's frames are the same as alone."""
    featurizer = subject.working_use().instance
    if subject.second_difference():
        raise Inapplicable("it never gives the same frames twice: see same_seed_same_result")
    sounds = [wave(0.5 + 0.1 * (i % 3), seed=i) for i in range(16)]
    subject.note({"waves": len(sounds)})
    alone = [subject.fill(featurizer, sound) for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda sound: subject.fill(featurizer, sound), sounds))
    if any(not np.array_equal(a, b) for a, b in zip(alone, together, strict=True)):
        raise Failed("frames differ when several threads fill at once; do they share a buffer?")


def an_unfitted_featurizer_is_described(subject: FeaturizerSubject) -> None:
    """One with a state says rows, bands and scale before fit, as after it, and refuses the rest by NotFitted."""
    fitted, new = _with_state(subject), subject.make()
    if (new.rows(SAMPLE_RATE), new.bands, new.scale) != (fitted.rows(SAMPLE_RATE), fitted.bands, fitted.scale):
        raise Failed("rows, bands or scale change by fit; `asdkit check` asks for them before")
    for name, request in {"fill": lambda: subject.fill(new, wave(1.0)), "state": new.state}.items():
        try:
            request()
        except NotFitted:
            continue
        except Exception as error:
            raise Failed(f"{name} before fit raised {error_line(error)}; expected asdkit.api.NotFitted") from error
        raise Failed(f"{name} before fit raised nothing; expected asdkit.api.NotFitted")


def a_fitted_featurizer_is_restored(subject: FeaturizerSubject) -> None:
    """Frames follow the training clips of the last fit alone, and are the same bit for bit after loading."""
    fitted = _with_state(subject)
    expected, state = subject.frames(fitted), state_of(fitted)
    other = subject.fit(subject.make(), 6, 7)
    if not difference(state, state_of(other)):
        raise Failed("its state does not depend on the training clips")
    if found := difference(state, state_of(subject.fit(other))):
        raise Failed(f"an earlier fit is not forgotten, or no two fits are the same: {found}")
    loaded = subject.make()
    try:
        loaded.load(decode_state(encode_state(state)))
        frames = subject.frames(loaded)
    except Exception as error:
        raise Failed(f"its state cannot be stored and loaded: {error_line(error)}") from error
    if found := difference(expected, frames):
        raise Failed(f"after its state was loaded, {found}")


def _with_state(subject: FeaturizerSubject) -> Any:
    featurizer = subject.working_use().instance
    if not hasattr(featurizer, "fit"):
        raise Inapplicable("it has no state")
    return featurizer


def it_changes_something(subject: AugmenterSubject) -> None:
    """Every variant differs from its original, and from the other variants."""
    use = subject.working_use()
    variants = [use.outputs[key] for key in use.outputs if key.endswith((".wave", ".windows"))]
    original = wave(1.0) if use.instance.kind == "wave" else subject.windows()[0]
    for number, one in enumerate(variants):
        if np.array_equal(one, original):
            raise Failed(f"variant {number} is its original, unchanged")
        if use.instance.kind == "wave" and any(np.array_equal(one, other) for other in variants[:number]):
            raise Failed(f"variant {number} is the same as an earlier one")


def variants_have_names(subject: AugmenterSubject) -> None:
    """Its variants have different names; an augmenter of waves has at least one variant."""
    names = subject.variants
    if any(not isinstance(name, str) or not name for name in names) or len(set(names)) < len(names):
        raise Failed(f"variant_names is {names!r}; expected different texts")
    if subject.working_use().instance.kind == "wave" and not names:
        raise Failed("an augmenter of waves makes variants; name them in its config's variant_names")


def targets_say_what_is_in_a_window(subject: AugmenterSubject) -> None:
    """Targets remain shares that add up to 1; without soft_targets they are unchanged."""
    use = subject.working_use()
    if use.instance.kind == "wave":
        raise Inapplicable("only augmenters of windows have targets")
    assert isinstance(subject.config, AugmenterConfig)
    _, before = subject.windows()
    for key in [key for key in use.outputs if key.endswith(".targets")]:
        targets = use.outputs[key]
        if (targets < 0).any() or np.abs(targets.sum(axis=1) - 1).max() > 1e-5:
            raise Failed("targets do not add up to 1 for each window")
        if not subject.config.soft_targets and not np.array_equal(targets, before):
            raise Failed("targets were changed; set soft_targets in its config, or leave them unchanged")


def randomness_comes_from_rng(subject: AugmenterSubject) -> None:
    """Another generator gives other windows."""
    augmenter = subject.working_use().instance
    if augmenter.kind == "wave":
        raise Inapplicable("variants of waves are fixed")
    one, other = (subject.transform(augmenter, *subject.windows(), seed=seed)[0] for seed in (1, 2))
    if np.array_equal(one, other):
        raise Failed("two generators gave the same windows; take random numbers from rng for each batch")
