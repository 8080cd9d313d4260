"""A sound plugin of each kind, small: it passes every check."""

from __future__ import annotations

import numpy as np

from asdkit.api import AugmenterConfig, BaseDetector, Config, DetectorConfig, Entry, Field, Layout, NotFitted, Stopped


class SoundConfig(DetectorConfig):
    order: float = Field(2.0, ge=1, le=4, description="exponent of the distance in each band")


class Detector:
    """Distance to the mean spectrum."""

    def __init__(self, config):
        self.config, self.mean = config, None

    def fit(self, training, ctx):
        self.mean = None
        features = training.features
        total = np.zeros(features.bands)
        for clip in range(features.clips):
            if ctx.should_stop():
                raise Stopped("stopped")
            total += features.clip(clip).sum(axis=0, dtype=np.float64)
        self.mean = (total / len(features.frames)).astype(np.float32)

    def distance(self, frames):
        return (np.abs(frames - self.mean) ** np.float32(self.config.order)).mean(axis=1)

    def score(self, features, windows, ids, ctx):
        self.known()
        rows = windows.starts[:, None] + np.arange(windows.frames)
        return self.distance(features.frames)[rows].mean(axis=1)

    def known(self):
        if self.mean is None:
            raise NotFitted("not fitted")

    def state(self):
        self.known()
        return {"mean": self.mean}

    def load(self, state):
        self.mean = state["mean"]


class KnownIdsOnly(Detector):
    """As sound: raises for an id that was not in training, which a run never asks for."""

    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.ids = list(training.real_ids)

    def score(self, features, windows, ids, ctx):
        self.known()
        assert set(ids) <= set(self.ids)
        return super().score(features, windows, ids, ctx)

    def state(self):
        return {**super().state(), "ids": self.ids}

    def load(self, state):
        super().load(state)
        self.ids = state["ids"]


class ShortDetector(BaseDetector):
    """The same by `BaseDetector`: the distance of stacked windows."""

    def learn(self, training, ctx):
        ctx.raise_if_stopped()
        return {"mean": training.features.frames.mean(axis=0)}

    def restore(self, state):
        self.mean = state["mean"]

    def score_windows(self, features, windows, ids, ctx):
        scores = np.empty(len(windows))
        for rows, batch in windows.batches(features, 7):
            scores[rows] = (np.abs(batch - self.mean) ** np.float32(self.config.order)).mean(axis=(1, 2))
        return scores


class FeaturizerConfig(Config):
    size: int = Field(256, ge=16, le=4096, description="samples of a frame, and from one to the next")


class Featurizer:
    """Decibels of the spectrum of frames that do not overlap."""

    scale = "db"

    def __init__(self, config):
        self.size, self.bands = config.size, config.size // 2 + 1
        self.hop = self.reach = config.size

    def rows(self, n_samples):
        return n_samples // self.size

    def frequencies(self, sample_rate):
        return np.fft.rfftfreq(self.size, 1 / sample_rate)

    def plain(self, wave):
        return wave.astype(np.float32) / np.float32(32768) if wave.dtype == np.int16 else wave

    def power(self, wave, out):
        frames = self.plain(wave)[: len(out) * self.size].reshape(len(out), self.size)
        return np.abs(np.fft.rfft(frames, axis=1)) ** 2

    def fill(self, wave, sample_rate, out):
        out[...] = 10 * np.log10(np.maximum(self.power(wave, out), 1e-10))


class FittedFeaturizer(Featurizer):
    """The same less its mean over the training clips."""

    mean = None

    def fit(self, waves, sample_rate, ctx):
        self.mean = None
        frames = []
        for wave in waves:
            ctx.raise_if_stopped()
            frames.append(np.empty((self.rows(len(wave)), self.bands), np.float32))
            super().fill(wave, sample_rate, frames[-1])
        self.mean = np.concatenate(frames).mean(axis=0)

    def fill(self, wave, sample_rate, out):
        super().fill(wave, sample_rate, out)
        out -= self.state()["mean"]

    def state(self):
        if self.mean is None:
            raise NotFitted("not fitted")
        return {"mean": self.mean}

    def load(self, state):
        self.mean = state["mean"]


class WaveConfig(AugmenterConfig):
    gain: float = Field(0.5, gt=0, le=1, description="factor of the quieter variant")

    @property
    def variant_names(self):
        return ("quiet", "quieter")


class WaveAugmenter:
    """The wave made quieter."""

    kind = "wave"

    def __init__(self, config):
        self.config = config

    def samples(self, n_samples, variant):
        return n_samples

    def vary(self, wave, sample_rate, variant):
        return (wave * np.float32(self.config.gain ** (variant + 1))).astype(wave.dtype)


class WindowConfig(AugmenterConfig):
    level: float = Field(6.0, gt=0, le=40, description="largest change of level, dB")


class WindowAugmenter:
    """The window louder or quieter."""

    kind = "window"

    def __init__(self, config):
        self.config = config

    def transform(self, windows, targets, rng, variant):
        level = rng.uniform(-self.config.level, self.config.level, (len(windows), 1, 1))
        return windows + level.astype(np.float32), targets


class FuserConfig(Config):
    pass


class Fuser:
    """Mean of the members' scores, each divided by its mean over all training clips."""

    def __init__(self, config):
        self.mean = None

    def fit(self, train_scores, ids):
        self.mean = train_scores.mean(axis=0)

    def fuse(self, scores, ids):
        self.known()
        return (scores / self.mean).mean(axis=1)

    def known(self):
        if self.mean is None:
            raise NotFitted("not fitted")

    def state(self):
        self.known()
        return {"mean": self.mean}

    def load(self, state):
        self.mean = state["mean"]


class LayoutConfig(Config):
    pass


class FlatLayout(Layout):
    """Folders of machines with recordings for training."""

    shape = "<root>/<machine>/*.wav"
    examples = {"fan/a.wav": "", "fan/b.wav": "", "pump/c.wav": ""}  # noqa: RUF012

    def machines(self, scan):
        return {entry.name: (entry.path,) for entry in scan.folders(str(scan.root))}

    def clips(self, scan, machine, folder):
        for entry in scan.entries(folder):
            if scan.is_recording(entry.name):
                yield self.clip(scan, entry, machine)
            else:
                scan.ignore(entry.path)

    def clip(self, scan, entry, machine):
        return scan.clip(entry.path, machine, "train", 0, "00", attributes={"load": "3"})


ENTRIES = {
    "detector": Entry("sound", SoundConfig, Detector, summary="Sound."),
    "detector of known ids": Entry("sound", SoundConfig, KnownIdsOnly, summary="Sound."),
    "short detector": Entry("sound", SoundConfig, ShortDetector, summary="Sound."),
    "featurizer": Entry("sound", FeaturizerConfig, Featurizer, summary="Sound."),
    "fitted featurizer": Entry("sound", FeaturizerConfig, FittedFeaturizer, summary="Sound."),
    "wave": Entry("sound", WaveConfig, WaveAugmenter, summary="Sound."),
    "window": Entry("sound", WindowConfig, WindowAugmenter, summary="Sound."),
    "fuser": Entry("sound", FuserConfig, Fuser, summary="Sound."),
    "layout": Entry("sound", LayoutConfig, FlatLayout, summary="Sound."),
}
"""At least one of each kind."""
