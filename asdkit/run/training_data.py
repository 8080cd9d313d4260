"""Read, featurise and label: from a job's clips to what its detector learns from and scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from asdkit import audio
from asdkit.audio import Wave
from asdkit.config import AugmenterConfig
from asdkit.errors import BadAudio
from asdkit.feature_extraction import WaveSource
from asdkit.features import Features, cut_windows
from asdkit.interfaces import Augmentation, Entry, Training

if TYPE_CHECKING:
    from asdkit.run.jobs import PlannedClip
    from asdkit.spec import AugmenterSettings, DetectorSettings


@dataclass(frozen=True)
class WaveVariant:
    """One clip as it is to be featured: a file, perhaps varied by a wave augmenter."""

    clip: PlannedClip
    augmenter: Any = None
    variant: int = 0


@dataclass
class Reader:
    """Reads recordings for features, takes the digest of what it read, notes their own rates and the silent ones."""

    recordings: Sequence[WaveVariant]
    sample_rate: int
    channel: Any
    containers: Sequence[str]

    def __post_init__(self) -> None:
        self.digests: list[bytes] = [b""] * len(self.recordings)
        self.silent: list[bool] = [False] * len(self.recordings)
        self.rates: list[int] = [0] * len(self.recordings)

    def sources(self) -> list[WaveSource]:
        """All recordings, with their lengths, for `fill_features`."""
        return [
            WaveSource(str(recording.clip.clip.path), self._samples(index), partial(self._read, index))
            for index, recording in enumerate(self.recordings)
        ]

    def _samples(self, index: int) -> int:
        recording = self.recordings[index]
        info = audio.inspect(recording.clip.clip.path, containers=self.containers)
        self.rates[index] = info.sample_rate
        samples = audio.samples_at(info, self.sample_rate)
        if recording.augmenter is None:
            return samples
        return int(recording.augmenter.samples(samples, recording.variant))

    def _read(self, index: int) -> Wave:
        recording = self.recordings[index]
        path = recording.clip.clip.path
        wave = audio.read(path, sample_rate=self.sample_rate, channel=self.channel, containers=self.containers)
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (recording.clip.size, recording.clip.mtime_ns):
            raise BadAudio(str(path), "changed since the run began; run again to take it as it is now")
        self.digests[index] = hashlib.sha256(wave.data).digest()
        self.silent[index] = audio.is_silent(wave)
        if recording.augmenter is None:
            return wave
        varied: Wave = recording.augmenter.vary(wave, self.sample_rate, recording.variant)
        return varied

    def digest(self) -> str:
        """Digest of the content of all that was read."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()


@dataclass(frozen=True)
class MadeAugmenter:
    """An augmenter of the job's list, constructed."""

    name: str
    config: AugmenterConfig
    augmenter: Any
    probability: float | None


def make_augmenters(several: Sequence[AugmenterSettings], entries: Sequence[Entry]) -> list[MadeAugmenter]:
    """Construct a detector's augmenters, in the order of its list."""
    made = []
    for settings, entry in zip(several, entries, strict=True):
        augmenter = entry.load()(settings.config)
        made.append(MadeAugmenter(settings.name, settings.config, augmenter, settings.probability))
    return made


def recordings_of(clips: Sequence[PlannedClip], augmenters: Sequence[MadeAugmenter]) -> list[WaveVariant]:
    """List the clips themselves, then, for each wave augmenter and each of its variants, all of them again."""
    recordings = [WaveVariant(c) for c in clips]
    for made in augmenters:
        if made.augmenter.kind == "wave":
            for variant in range(len(made.config.variant_names)):
                recordings += [WaveVariant(c, made.augmenter, variant) for c in clips]
    return recordings


def make_training(
    settings: DetectorSettings, real_ids: Sequence[str], features: Features, augmenters: Sequence[MadeAugmenter]
) -> Training:
    """Join features with windows, ids and classes: all that a detector may learn from."""
    names = sorted(set(real_ids))
    index = {name: i for i, name in enumerate(names)}
    class_names = list(names)
    ids = list(real_ids)
    classes = [index[i] for i in real_ids]
    for made in augmenters:
        for variant in made.config.variant_names:
            if made.augmenter.kind == "wave":
                ids += real_ids
                classes += [len(class_names) + index[i] for i in real_ids]
            class_names += [f"{name}~{made.name}:{variant}" for name in names]
    return Training(
        features=features,
        windows=cut_windows(features.offsets, settings.frames, settings.hop),
        ids=tuple(ids),
        classes=np.array(classes, dtype=np.int64),
        class_names=tuple(class_names),
        real=len(real_ids),
        augmentations=tuple(
            Augmentation(m.name, m.config, m.augmenter if m.augmenter.kind == "window" else None, m.probability)
            for m in augmenters
        ),
    )
