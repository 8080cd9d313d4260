"""Fit and score waves in memory: a spec's detector without files, folders or the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from asdkit.audio import Wave
from asdkit.audio.io import as_wave
from asdkit.context import Context
from asdkit.errors import DataError, UsageError
from asdkit.feature_extraction import WaveSource, fill_features, fit_featurizer, rows_of
from asdkit.features import Features, cut_windows
from asdkit.interfaces import Detector, Featurizer
from asdkit.plugin_calls import plugin_call
from asdkit.plugins import Registry, discover
from asdkit.run.scales import scale_of, scale_problems
from asdkit.run.training_data import load_augmenters, make_training
from asdkit.scoring import DoubleArray, pool_scores, score_windows
from asdkit.spec import DetectorSettings, Spec
from asdkit.text import suggestion_or_choices


@dataclass(frozen=True)
class FittedArrays:
    """A detector of a spec fitted on waves; see `fit_arrays`.

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

    def score(self, waves: Sequence[Wave], ids: Sequence[str] | None = None) -> DoubleArray:
        """Score waves: higher is more anomalous.

        Parameters
        ----------
        waves
            [float, full scale 1, or int16, ``[samples]`` each] Of one channel, at the spec's sample rate.
        ids
            Id of each; a wave of another id than those fitted gets its lowest score over the known ids.

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
        ids = _one_id_each(waves, ids)
        if not ids:
            return np.zeros(0)
        waves = _check_waves(waves, self.settings, self.featurizer)
        features = _extract(self.featurizer, waves, self.sample_rate)
        windows = cut_windows(features.offsets, self.settings.frames, self.settings.hop)
        scores = score_windows(self.detectors, self.settings.use, features, windows, ids, self.known_ids, self.ctx)
        return pool_scores(scores, windows.offsets, self.settings.pool)


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
        From `asdkit.spec.load_spec`; its recordings are not used.
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
        If the spec has no such detector, or it cannot be fitted on such waves.
    DataError
        If a wave is shorter than a window, or not finite.
    """
    if detector not in spec.detectors:
        raise UsageError(f"the spec has no detector {detector!r}{suggestion_or_choices(detector, spec.detectors)}")
    settings, ids = spec.detectors[detector], _one_id_each(waves, ids)
    if not ids:
        raise UsageError("no wave to fit on")
    known_ids = sorted(set(ids))
    problems = settings.config.problems(settings.outline(len(known_ids)))
    if problems:
        raise UsageError("; ".join(problems))
    registry = registry or discover()
    ctx = ctx or Context(seed=spec.seed)
    featurizer: Featurizer = registry.find("featurizer", settings.featurizer.use).construct(settings.featurizer.config)
    if problems := scale_problems(settings, scale_of(featurizer)):
        raise UsageError("; ".join(problems))
    fitted = FittedArrays(settings, spec.data.sample_rate, featurizer, {}, tuple(known_ids), ctx)
    waves = _check_waves(waves, settings, featurizer)
    fit_featurizer(featurizer, _sources(waves), spec.data.sample_rate, ctx)
    for group in [""] if settings.scope == "machine" else known_ids:
        members = [i for i, id_ in enumerate(ids) if group in ("", id_)]
        fitted.detectors[group] = _fit(fitted, registry, [waves[i] for i in members], [ids[i] for i in members])
    return fitted


def _fit(fitted: FittedArrays, registry: Registry, waves: Sequence[Wave], ids: Sequence[str]) -> Detector:
    """Fit one detector on waves and their augmented variants."""
    settings, sample_rate = fitted.settings, fitted.sample_rate
    plugins = [registry.find("augmenter", augmenter.use) for augmenter in settings.augmenters]
    augmenters = load_augmenters(settings.augmenters, plugins)
    varied = [
        _vary(loaded.augmenter, wave, sample_rate, variant)
        for loaded in augmenters
        if loaded.makes_waves
        for variant in range(len(loaded.config.variant_names))
        for wave in waves
    ]
    features = _extract(fitted.featurizer, [*waves, *varied], sample_rate)
    detector: Detector = registry.find("detector", settings.use).construct(settings.config)
    training = make_training(settings, ids, features, augmenters)
    with plugin_call(detector, "fit"):
        detector.fit(training, fitted.ctx)
    return detector


def _vary(augmenter: Any, wave: Wave, sample_rate: int, variant: int) -> Wave:
    with plugin_call(augmenter, "vary"):
        varied: Wave = augmenter.vary(wave, sample_rate, variant)
    return varied


def _check_waves(waves: Sequence[Wave], settings: DetectorSettings, featurizer: Featurizer) -> list[Wave]:
    """Check waves by `as_wave`, and that each is at least as long as a window."""
    checked = [as_wave(wave, f"wave {i}") for i, wave in enumerate(waves)]
    frames = 1 if settings.frames == "clip" else settings.frames
    for i, wave in enumerate(checked):
        rows = rows_of(featurizer, len(wave))
        if rows < frames:
            raise DataError(f"wave {i} is shorter than a window: {len(wave)} samples give {rows} of {frames} frames")
    return checked


def _extract(featurizer: Featurizer, waves: Sequence[Wave], sample_rate: int) -> Features:
    return fill_features(featurizer, _sources(waves), sample_rate)


def _sources(waves: Sequence[Wave]) -> list[WaveSource]:
    return [WaveSource(f"wave {i}", len(wave), partial(_identity, wave)) for i, wave in enumerate(waves)]


def _identity(wave: Wave) -> Wave:
    return wave


def _one_id_each(waves: Sequence[Wave], ids: Sequence[str] | None) -> list[str]:
    if ids is not None and len(ids) != len(waves):
        raise UsageError(f"{len(ids)} ids for {len(waves)} waves; expected one each")
    return [""] * len(waves) if ids is None else list(ids)
