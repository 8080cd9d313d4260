"""What augmented sounds and windows are."""

from __future__ import annotations

import numpy as np

from asdkit.api import AugmenterConfig
from asdkit.testing.listing import Failed, Inapplicable, check
from asdkit.testing.machine import wave
from asdkit.testing.others import AugmenterSubject


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
