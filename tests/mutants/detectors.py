"""Broken detectors: each does one thing wrong."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from asdkit.api import Field, Stopped
from tests.mutants import add, sound
from tests.mutants.sound import Detector


def caught_by(check, not_by, config=sound.SoundConfig):
    """List a class as the mutant of a check."""

    def listed(target):
        add("detector", check, not_by, config, target)
        return target

    return listed


@caught_by("keeps_its_contract", "scores_are_not_constant")
class Float64(Detector):
    def score(self, features, windows, ids, ctx):
        return super().score(features, windows, ids, ctx).astype(np.float64)


@caught_by("keeps_its_contract", "scores_are_not_constant")
class OneScoreAClip(Detector):
    def score(self, features, windows, ids, ctx):
        return super().score(features, windows, ids, ctx)[windows.offsets[:-1]]


@caught_by("why_no_weight_is_a_sentence", "scores_are_not_constant")
class NoReason(Detector):
    def why_no_weight(self, features, windows, ids, ctx):
        return None


@caught_by("inputs_are_unchanged", "keeps_its_contract")
class CentresInPlace(Detector):
    def score(self, features, windows, ids, ctx):
        self.known()
        frames = features.frames
        frames -= self.mean
        rows = windows.starts[:, None] + np.arange(windows.frames)
        return (np.abs(frames) ** np.float32(self.config.order)).mean(axis=1)[rows].mean(axis=1)


@caught_by("unfitted_use_raises_not_fitted", "keeps_its_contract")
class TypeErrorBeforeFit(Detector):
    def known(self):
        pass


@caught_by("fit_changes_what_is_learnt", "faults_score_higher")
class RandomWeights(Detector):
    """A network without a backward pass: the mean is fitted, the weights never change."""

    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.weights = ctx.rng("weights").normal(size=(len(self.mean), 64)).astype(np.float32)

    def distance(self, frames):
        return np.square((frames - self.mean) @ self.weights).mean(axis=1)

    def state(self):
        return {**super().state(), "weights": self.weights}

    def load(self, state):
        super().load(state)
        self.weights = state["weights"]


@caught_by("scores_are_not_constant", "faults_score_higher")
class Constant(Detector):
    def distance(self, frames):
        return super().distance(frames) * 0


@caught_by("faults_score_higher", "training_pays")
class Similarity(Detector):
    def distance(self, frames):
        return -super().distance(frames)


@caught_by("training_pays", "faults_score_higher")
class Loudness(Detector):
    """Its scores do not use the mean."""

    def distance(self, frames):
        return frames.mean(axis=1) + 0 * self.mean.mean()


@caught_by("same_seed_same_result", "refit_forgets")
class OwnEntropy(Detector):
    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.mean += np.random.default_rng().normal(0, 1e-3, len(self.mean)).astype(np.float32)


@caught_by("refit_forgets", "same_seed_same_result")
class Remembers(Detector):
    def fit(self, training, ctx):
        before = self.mean
        super().fit(training, ctx)
        if before is not None:
            self.mean = (self.mean + before) / 2


@caught_by("stops_within_a_batch", "same_seed_same_result")
class GoesOn(Detector):
    def fit(self, training, ctx):
        ctx.should_stop()
        super().fit(training, Unstoppable())


class Unstoppable:
    def should_stop(self):
        return False


class EpochsConfig(sound.SoundConfig):
    epochs: int = Field(5, ge=1, le=100, description="passes over the clips")


@caught_by("stops_within_a_batch", "refit_forgets", EpochsConfig)
class AsksBetweenEpochs(Detector):
    def fit(self, training, ctx):
        for _ in range(self.config.epochs):
            if ctx.should_stop():
                raise Stopped("stopped")
            super().fit(training, Unstoppable())


@caught_by("stops_within_a_batch", "refit_forgets")
class NeverAsks(Detector):
    def fit(self, training, ctx):
        super().fit(training, Unstoppable())


class AnyScaleConfig(sound.SoundConfig):
    scales = ("db", "power", "linear")


@caught_by("accepted_scales_are_scored", "silence", AnyScaleConfig)
class TakesLogarithms(Detector):
    """It says that it accepts linear numbers, and takes the logarithm of them."""

    def score(self, features, windows, ids, ctx):
        if features.scale != "db":
            with np.errstate(all="ignore"):
                features = replace(features, frames=10 * np.log10(features.frames))
        return super().score(features, windows, ids, ctx)


@caught_by("a_clip_is_scored_on_its_own", "faults_score_higher")
class CentresScores(Detector):
    """A clip's score depends on the clips that it is scored with."""

    def score(self, features, windows, ids, ctx):
        scores = super().score(features, windows, ids, ctx)
        return scores - scores.mean()


@caught_by("a_clip_is_scored_on_its_own", "same_seed_same_result")
class DependsOnOrder(Detector):
    def score(self, features, windows, ids, ctx):
        scores = super().score(features, windows, ids, ctx)
        return scores + 0.1 * np.float32(scores[0])


@caught_by("unknown_ids_get_the_best", "a_clip_is_scored_on_its_own")
class NeedsEveryId(Detector):
    """Cannot score several clips under one id, as clips of unknown ids are."""

    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.ids = list(training.real_ids)

    def score(self, features, windows, ids, ctx):
        self.known()
        if len(ids) > 1 and len(set(ids)) < len(self.ids):
            raise IndexError("an id is missing")
        return super().score(features, windows, ids, ctx)

    def state(self):
        return {**super().state(), "ids": self.ids}

    def load(self, state):
        super().load(state)
        self.ids = state["ids"]


@caught_by("state_survives_a_new_process", "same_seed_same_result")
class RoundsItsState(Detector):
    def state(self):
        return {"mean": super().state()["mean"].astype(np.float16)}

    def load(self, state):
        self.mean = state["mean"].astype(np.float32)


@caught_by("state_survives_a_new_process", "runs_without_cuda")
class ForgetsAPart(Detector):
    scale = np.float32(1)

    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.scale = np.float32(2)

    def distance(self, frames):
        return super().distance(frames) * self.scale


@caught_by("silence", "ragged_lengths")
class DividesByTheSpread(Detector):
    def distance(self, frames):
        return super().distance(frames) / np.sign(frames.std(axis=1))


@caught_by("shortest_clip", "one_clip")
class SpreadWithinTheClip(Detector):
    """Needs two windows of each clip."""

    def score(self, features, windows, ids, ctx):
        scores = super().score(features, windows, ids, ctx)
        parts = np.split(scores, windows.offsets[1:-1])
        return np.concatenate([part + 0 * part.std(ddof=1) for part in parts]).astype(np.float32)


@caught_by("ragged_lengths", "shortest_clip")
class OneLength(Detector):
    def fit(self, training, ctx):
        training.features.frames.reshape(training.features.clips, -1, training.features.bands)
        if len(set(np.diff(training.features.offsets))) > 1:
            raise ValueError("cannot stack clips of different lengths")
        super().fit(training, ctx)


@caught_by("one_clip", "one_id")
class SpreadOverClips(Detector):
    def fit(self, training, ctx):
        super().fit(training, ctx)
        means = np.array([training.features.clip(i).mean() for i in range(training.features.clips)])
        self.mean += np.float32(0 * means.std(ddof=1))


@caught_by("one_id", "one_clip")
class SpreadOverIds(Detector):
    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.mean += np.float32(0 / (len(training.real_ids) - 1))


@caught_by("runs_without_cuda", "state_survives_a_new_process")
class NeedsCuda(Detector):
    """Needs a GPU where the machine has one, which the test simulates."""

    def fit(self, training, ctx):
        if not os.environ["CUDA_VISIBLE_DEVICES"]:
            raise RuntimeError("No CUDA GPUs are available")
        super().fit(training, ctx)


@caught_by("generators_and_threads_are_untouched", "same_seed_same_result")
class SeedsGlobally(Detector):
    def fit(self, training, ctx):
        np.random.seed(ctx.seed % 2**32)  # noqa: NPY002
        super().fit(training, ctx)


@caught_by("no_file_is_written", "nothing_is_printed")
class Caches(Detector):
    def fit(self, training, ctx):
        super().fit(training, ctx)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "cache").write_bytes(self.mean.tobytes())


@caught_by("nothing_is_printed", "no_file_is_written")
class Prints(Detector):
    def fit(self, training, ctx):
        super().fit(training, ctx)
        print("fitted")  # noqa: T201


@caught_by("nothing_is_printed", "no_file_is_written")
class PrintsBelowPython(Detector):
    def fit(self, training, ctx):
        super().fit(training, ctx)
        os.write(2, b"fitted\n")
