"""A detector in one file: how far each frame lies from the mean spectrum of healthy recordings."""

import numpy as np

from asdkit.api import DetectorConfig, Entry, Field, NotFitted, hookimpl


class SpectrumConfig(DetectorConfig):
    """Options of ``spectrum``."""

    order: float = Field(2.0, ge=1, le=8, description="exponent of the distance in each band")

    def problems(self, job):
        return ['frames: "spectrum" needs a number of frames, not "clip"'] if job.frames == "clip" else []


class Spectrum:
    def __init__(self, config):
        self.config, self.mean = config, None

    def fit(self, training, ctx):
        self.mean = training.features.frames.mean(axis=0)

    def score(self, features, windows, ids, ctx):
        if self.mean is None:
            raise NotFitted("spectrum was asked for scores before it was fitted")
        distance = (np.abs(features.frames - self.mean) ** self.config.order).mean(axis=1)
        return sum(distance[windows.starts + i] for i in range(windows.frames)) / np.float32(windows.frames)

    def state(self):
        if self.mean is None:
            raise NotFitted("spectrum has learnt nothing yet")
        return {"mean": self.mean}

    def load(self, state):
        self.mean = state["mean"]


@hookimpl
def asdkit_detectors():
    return [Entry("spectrum", SpectrumConfig, Spectrum, "Distance to the mean spectrum.", {"frames": 5})]
