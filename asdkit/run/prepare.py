"""Read, featurise and label: from a job's clips to what its detector learns from and scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asdkit import audio
from asdkit.api import Augmentation, AugmenterConfig, Featurizer, Training, Wave, cut_windows
from asdkit.errors import Stopped
from asdkit.features import Features

if TYPE_CHECKING:
    from asdkit.run.plan import Job, PlannedClip


@dataclass(frozen=True)
class Source:
    """One clip as it is to be featured: a file, perhaps varied by a wave augmenter."""

    path: Path
    augmenter: Any = None
    variant: int = 0


@dataclass
class Reader:
    """Reads clips for features, takes the digest of what it read, and notes the silent ones."""

    sources: Sequence[Source]
    sample_rate: int
    channel: Any

    def __post_init__(self) -> None:
        self.digests: list[bytes] = [b""] * len(self.sources)
        self.silent: list[bool] = [False] * len(self.sources)

    def lengths(self) -> list[int]:
        """Samples that each source will give."""
        lengths = []
        for source in self.sources:
            n = audio.samples_at(audio.inspect(source.path), self.sample_rate)
            lengths.append(n if source.augmenter is None else source.augmenter.samples(n, source.variant))
        return lengths

    def __call__(self, index: int) -> Wave:
        """Read one source [float32 or int16, ``[samples]``]; may run in several threads at once."""
        source = self.sources[index]
        wave = audio.read(source.path, sample_rate=self.sample_rate, channel=self.channel)
        self.digests[index] = hashlib.sha256(wave.data).digest()
        self.silent[index] = audio.is_silent(wave)
        if source.augmenter is not None:
            varied: Wave = source.augmenter.vary(wave, self.sample_rate, source.variant)
            return varied
        return wave

    def digest(self) -> str:
        """Digest of the content of all that was read."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()


def featurise(
    reader: Reader,
    featurizer: Featurizer,
    *,
    threads: int,
    memmap: Path | None = None,
    progress: Callable[..., None] = lambda **_: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Features:
    """Fill the packed features of all of a reader's sources.

    Raises
    ------
    BadAudio
        For a file that went bad after it was checked.
    Stopped
        When asked to.
    """
    from asdkit.filling import fill_features

    total = len(reader.sources)
    features = fill_features(
        featurizer,
        reader,
        reader.lengths(),
        names=[str(s.path) for s in reader.sources],
        sample_rate=reader.sample_rate,
        threads=threads,
        memmap=memmap,
        progress=lambda done: progress(stage="features", clips=done, of=total),
        should_stop=should_stop,
    )
    if features is None or should_stop():
        raise Stopped("stopped while featurising")
    return features


@dataclass(frozen=True)
class MadeAugmenter:
    """An augmenter of the job's list, constructed."""

    name: str
    config: AugmenterConfig
    augmenter: Any
    probability: float | None


def make_augmenters(job: Job) -> list[MadeAugmenter]:
    """Construct the job's augmenters, in the order of its list."""
    made = []
    for settings, plugin in zip(job.settings.augmenters, job.plugins[2:], strict=True):
        assert plugin.entry is not None
        augmenter = plugin.entry.load()(settings.config)
        made.append(MadeAugmenter(settings.name, settings.config, augmenter, settings.probability))
    return made


def sources_of(clips: Sequence[PlannedClip], augmenters: Sequence[MadeAugmenter]) -> list[Source]:
    """List the clips themselves, then, for each wave augmenter and each of its variants, all of them again."""
    sources = [Source(c.clip.path) for c in clips]
    for made in augmenters:
        if made.augmenter.kind == "wave":
            for variant in range(len(made.config.variants)):
                sources += [Source(c.clip.path, made.augmenter, variant) for c in clips]
    return sources


def make_training(
    job: Job, clips: Sequence[PlannedClip], features: Features, augmenters: Sequence[MadeAugmenter]
) -> Training:
    """Join features with windows, ids and classes: all that a detector may learn from."""
    real_ids = [c.clip.id for c in clips]
    names = sorted(set(real_ids))
    index = {name: i for i, name in enumerate(names)}
    class_names = list(names)
    ids = list(real_ids)
    classes = [index[i] for i in real_ids]
    for made in augmenters:
        for variant in made.config.variants:
            if made.augmenter.kind == "wave":
                ids += real_ids
                classes += [len(class_names) + index[i] for i in real_ids]
            class_names += [f"{name}~{made.name}:{variant}" for name in names]
    return Training(
        features=features,
        windows=cut_windows(features.offsets, job.settings.frames, job.settings.hop),
        ids=tuple(ids),
        classes=np.array(classes, dtype=np.int64),
        class_names=tuple(class_names),
        real=len(real_ids),
        augmentations=tuple(
            Augmentation(m.name, m.config, m.augmenter if m.augmenter.kind == "window" else None, m.probability)
            for m in augmenters
        ),
    )
