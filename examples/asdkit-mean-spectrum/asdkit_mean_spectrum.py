"""A detector in one file: how far each frame lies from the mean spectrum of healthy recordings."""

import numpy as np

from asdkit.api import DetectorConfig, Entry, Field, NotFitted, Stopped, hookimpl


class SpectrumConfig(DetectorConfig):
    order: float = Field(2.0, ge=1, le=8, description="exponent of the distance in each band")

    def problems(self, job):
        return ["frames: expected a number, not clip"] if job.frames == "clip" else []


class Spectrum:
    def __init__(self, config):
        self.config, self.mean = config, None

    def fit(self, training, ctx):
        if ctx.should_stop():
            raise Stopped("fitting was stopped")
        self.mean = training.features.frames.mean(axis=0)

    def score(self, features, windows, ids, ctx):
        distance = (np.abs(features.frames - self.state()["mean"]) ** np.float32(self.config.order)).mean(axis=1)
        return distance[windows.starts[:, None] + np.arange(windows.frames)].mean(axis=1)

    def state(self):
        if self.mean is None:
            raise NotFitted("mean-spectrum must be fitted or loaded first")
        return {"mean": self.mean}

    def load(self, state):
        self.mean = state["mean"]


@hookimpl
def asdkit_detectors():
    return [Entry("mean-spectrum", SpectrumConfig, Spectrum, "Distance to the mean spectrum.", {"frames": 5}, 2)]
