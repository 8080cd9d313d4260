"""Training data: from clips and wave augmenters to features, windows and classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from asdkit import audio, mapped
from asdkit.audio import Channel, Wave
from asdkit.audio.level import Level, measure_level
from asdkit.config import AugmenterConfig
from asdkit.errors import BadAudio
from asdkit.feature_extraction import WaveSource
from asdkit.features import Condition, Features, cut_windows
from asdkit.interfaces import Augmentation, Training
from asdkit.plugin_calls import plugin_call
from asdkit.plugins import Plugin
from asdkit.run.jobs import PlannedClip
from asdkit.spec import AugmenterSettings, DetectorSettings


@dataclass(frozen=True)
class LoadedAugmenter:
    """An augmenter of a detector's list, constructed."""

    name: str
    config: AugmenterConfig
    augmenter: Any
    probability: float | None

    @property
    def makes_waves(self) -> bool:
        """Whether it makes variants of waves; else it changes windows."""
        return bool(self.augmenter.kind == "wave")


def load_augmenters(settings: Sequence[AugmenterSettings], plugins: Sequence[Plugin]) -> list[LoadedAugmenter]:
    """Construct a detector's augmenters, in the order of its list."""
    return [
        LoadedAugmenter(one.name, one.config, plugin.construct(one.config), one.probability)
        for one, plugin in zip(settings, plugins, strict=True)
    ]


@dataclass(frozen=True)
class WaveVariant:
    """A clip whose features are wanted: as recorded, or variant number `variant` of a wave augmenter."""

    clip: PlannedClip
    augmenter: Any = None
    variant: int = 0


def wave_variants(clips: Sequence[PlannedClip], augmenters: Sequence[LoadedAugmenter]) -> list[WaveVariant]:
    """List the clips as recorded, then all of them again for each variant of each wave augmenter."""
    variants = [WaveVariant(c) for c in clips]
    for loaded in augmenters:
        if loaded.makes_waves:
            for variant in range(len(loaded.config.variant_names)):
                variants += [WaveVariant(c, loaded.augmenter, variant) for c in clips]
    return variants


class RecordingReader:
    """Reads recordings for `fill_features` and notes facts about each.

    Attributes
    ----------
    digests
        SHA-256 of the samples of each recording.
    sounds
        The same for recordings of 16 bits in whatever sample format, and of one channel or several equal ones.
    silent
        Whether each recording is silent.
    cancelled
        Whether the channels of each recording cancel in their mean.
    levels
        Level of each recording.
    rates
        Sample rate of each file [Hz].
    """

    def __init__(
        self, variants: Sequence[WaveVariant], sample_rate: int, channel: Channel, containers: Sequence[str]
    ) -> None:
        self._variants = variants
        self._sample_rate, self._channel, self._containers = sample_rate, channel, containers
        self.digests: list[bytes] = [b""] * len(variants)
        self.sounds: list[bytes] = [b""] * len(variants)
        self.silent: list[bool] = [False] * len(variants)
        self.cancelled: list[bool] = [False] * len(variants)
        self.levels: list[Level] = [Level(0.0, 0.0)] * len(variants)
        self.rates: list[int] = [0] * len(variants)

    def sources(self) -> list[WaveSource]:
        """Return all recordings, with their lengths."""
        return [
            WaveSource(str(variant.clip.clip.path), self._samples(index), partial(self._read, index))
            for index, variant in enumerate(self._variants)
        ]

    def digest(self) -> str:
        """Return a digest of the content of all recordings read."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def _samples(self, index: int) -> int:
        variant = self._variants[index]
        info = audio.inspect(variant.clip.clip.path, containers=self._containers)
        self.rates[index] = info.sample_rate
        samples = audio.samples_at(info, self._sample_rate)
        if variant.augmenter is None:
            return samples
        with plugin_call(variant.augmenter, "samples"):
            return int(variant.augmenter.samples(samples, variant.variant))

    def _read(self, index: int) -> Wave:
        variant = self._variants[index]
        path = variant.clip.clip.path
        decoded = audio.decode(path, sample_rate=self._sample_rate, channel=self._channel, containers=self._containers)
        wave = decoded.wave
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (variant.clip.size, variant.clip.mtime_ns):
            raise BadAudio(str(path), "changed since the run began; run again to use its new content")
        content = hashlib.sha256()
        for block in mapped.blocks(wave):
            content.update(block.data)
        self.digests[index] = content.digest()
        self.silent[index] = decoded.silent
        self.sounds[index] = content.digest() if wave.dtype == np.int16 else _sound_digest(wave) or content.digest()
        self.cancelled[index] = decoded.cancels
        if variant.augmenter is None:
            self.levels[index] = measure_level(wave)
        if variant.augmenter is None:
            return wave
        with plugin_call(variant.augmenter, "vary"):
            varied: Wave = variant.augmenter.vary(wave, self._sample_rate, variant.variant)
        return varied


def _sound_digest(wave: Wave) -> bytes:
    """Return the digest of a float wave whose samples are all of 16 bits as if it were int16; empty if one is not."""
    content = hashlib.sha256()
    for block in mapped.blocks(wave):
        scaled = block * np.float32(32768)
        whole = np.clip(scaled, -32768, 32767).astype(np.int16)
        if not np.array_equal(whole, scaled):
            return b""
        content.update(whole.data)
    return content.digest()


def with_conditions(features: Features, clips: Sequence[PlannedClip]) -> Features:
    """Add what is known of clips: domains and attributes, never labels; wave variants are copies of all of them."""
    known = tuple(Condition(planned.clip.domain, dict(planned.clip.attributes)) for planned in clips)
    if not any(condition.domain or condition.attributes for condition in known):
        return features
    return replace(features, conditions=known * (features.clips // len(known)))


def make_training(
    settings: DetectorSettings, real_ids: Sequence[str], features: Features, augmenters: Sequence[LoadedAugmenter]
) -> Training:
    """Combine features with windows, ids and classes.

    Parameters
    ----------
    settings
        Of the detector.
    real_ids
        Id of each training clip.
    features
        Of all `wave_variants` of the training clips.
    augmenters
        Of the detector.
    """
    names = sorted(set(real_ids))
    class_of = {name: i for i, name in enumerate(names)}
    class_names = list(names)
    ids = list(real_ids)
    classes = [class_of[i] for i in real_ids]
    for loaded in augmenters:
        for variant in loaded.config.variant_names:
            if loaded.makes_waves:
                ids += real_ids
                classes += [len(class_names) + class_of[i] for i in real_ids]
            class_names += [f"{name}~{loaded.name}:{variant}" for name in names]
    return Training(
        features=features,
        windows=cut_windows(features.offsets, settings.frames, settings.hop),
        ids=tuple(ids),
        classes=np.array(classes, dtype=np.int64),
        class_names=tuple(class_names),
        real=len(real_ids),
        augmentations=tuple(
            Augmentation(a.name, a.config, None if a.makes_waves else a.augmenter, a.probability) for a in augmenters
        ),
    )
