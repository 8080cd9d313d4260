"""Fit and score waves in memory: a spec's detector without files, folders or the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asdkit.audio import Wave
from asdkit.audio.io import as_wave
from asdkit.context import Context
from asdkit.errors import DataError, UsageError
from asdkit.feature_extraction import WaveSource, fill_features
from asdkit.features import Features, cut_windows
from asdkit.interfaces import Detector, Featurizer
from asdkit.run.training_data import make_augmenters, make_training
from asdkit.scoring import pool_scores, score_windows
from asdkit.text import suggestion_or_choices

if TYPE_CHECKING:
    from asdkit.plugins import Registry
    from asdkit.spec import DetectorSettings, Spec


@dataclass(frozen=True)
class FittedArrays:
    """A detector of a spec that was fitted on waves; see `fit_arrays`.

    Attributes
    ----------
    detectors
        By id; one under ``""`` where all ids share it.
    known_ids
        Ids of the waves that the detectors were fitted on.
    """

    settings: DetectorSettings
    sample_rate: int
    featurizer: Featurizer
    detectors: dict[str, Detector]
    known_ids: tuple[str, ...]
    ctx: Context

    def score(self, waves: Sequence[Wave], ids: Sequence[str] | None = None) -> npt.NDArray[np.float64]:
        """Score waves: higher is more anomalous.

        Parameters
        ----------
        waves
            [float, full scale 1, or int16, ``[samples]`` each] Of one channel, at the spec's sample rate.
        ids
            Id of each; one that was not in training gets the best score over the known ids.

        Returns
        -------
        scores
            [float64, ``[waves]``] Pooled as the spec says.

        Raises
        ------
        UsageError
            If a wave is not one channel, or of another type.
        DataError
            If a wave is shorter than a window, or not finite.
        """
        ids = _ids(waves, ids)
        if not ids:
            return np.zeros(0)
        features = _features(self.featurizer, self.checked(waves), self.sample_rate)
        windows = cut_windows(features.offsets, self.settings.frames, self.settings.hop)
        scores = score_windows(self.detectors, self.settings.use, features, windows, ids, self.known_ids, self.ctx)
        return pool_scores(scores, windows.offsets, self.settings.pool)

    def checked(self, waves: Sequence[Wave]) -> list[Wave]:
        """Waves as `as_wave` makes them, each at least as long as a window."""
        made = [as_wave(wave, f"wave {i}") for i, wave in enumerate(waves)]
        least = 1 if self.settings.frames == "clip" else self.settings.frames
        for i, wave in enumerate(made):
            rows = self.featurizer.rows(len(wave))
            if rows < least:
                raise DataError(f"wave {i} is shorter than a window: {len(wave)} samples give {rows} of {least} frames")
        return made


def fit_arrays(
    spec: Spec,
    detector: str,
    waves: Sequence[Wave],
    ids: Sequence[str] | None = None,
    *,
    registry: Registry | None = None,
    ctx: Context | None = None,
) -> FittedArrays:
    """Fit a detector of a spec on waves of healthy recordings.

    Parameters
    ----------
    spec
        From `asdkit.spec.load_spec`; its recordings are not looked at.
    detector
        Its name in the spec.
    waves
        [float, full scale 1, or int16, ``[samples]`` each] Of one channel, at the spec's sample rate.
    ids
        Id of each; None: all of one machine.
    registry
        The plugins; default: those installed.
    ctx
        Device, seed and threads; default: the CPU, the spec's seed, one thread.

    Raises
    ------
    UsageError
        If the spec has no such detector, or it cannot learn from such waves.
    DataError
        If a wave is shorter than a window, or not finite.
    """
    from asdkit.plugins import discover

    if detector not in spec.detectors:
        raise UsageError(f"the spec has no detector {detector!r}{suggestion_or_choices(detector, spec.detectors)}")
    settings, ids = spec.detectors[detector], _ids(waves, ids)
    if not ids:
        raise UsageError("no wave to learn from")
    known = sorted(set(ids))
    problems = settings.config.problems(settings.outline(len(known)))
    if problems:
        raise UsageError("; ".join(problems))
    registry = registry or discover()
    ctx = ctx or Context(seed=spec.seed)
    featurizer: Featurizer = registry.entry("featurizer", settings.featurizer.use).load()(settings.featurizer.config)
    made = FittedArrays(settings, spec.data.sample_rate, featurizer, {}, tuple(known), ctx)
    waves = made.checked(waves)
    for part in [""] if settings.scope == "machine" else known:
        own = [i for i, id_ in enumerate(ids) if part in ("", id_)]
        made.detectors[part] = _fit(made, registry, [waves[i] for i in own], [ids[i] for i in own])
    return made


def _fit(made: FittedArrays, registry: Registry, waves: Sequence[Wave], ids: Sequence[str]) -> Detector:
    """Fit one detector on waves and what the augmenters make of them."""
    settings, rate = made.settings, made.sample_rate
    entries = [registry.entry("augmenter", augmenter.use) for augmenter in settings.augmenters]
    augmenters = make_augmenters(settings.augmenters, entries)
    varied = [
        each.augmenter.vary(wave, rate, variant)
        for each in augmenters
        if each.augmenter.kind == "wave"
        for variant in range(len(each.config.variant_names))
        for wave in waves
    ]
    training = make_training(settings, ids, _features(made.featurizer, [*waves, *varied], rate), augmenters)
    detector: Detector = registry.entry("detector", settings.use).load()(settings.config)
    detector.fit(training, made.ctx)
    return detector


def _features(featurizer: Featurizer, waves: Sequence[Wave], sample_rate: int) -> Features:
    sources = [WaveSource(f"wave {i}", len(wave), partial(_itself, wave)) for i, wave in enumerate(waves)]
    return fill_features(featurizer, sources, sample_rate)


def _itself(wave: Wave) -> Wave:
    return wave


def _ids(waves: Sequence[Wave], ids: Sequence[str] | None) -> list[str]:
    if ids is not None and len(ids) != len(waves):
        raise UsageError(f"{len(ids)} ids for {len(waves)} waves; expected one each")
    return [""] * len(waves) if ids is None else list(ids)
