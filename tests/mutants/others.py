"""Broken featurizers, augmenters and fusers: each does one thing wrong."""

from __future__ import annotations

import time

import numpy as np

from asdkit.api import NotFitted
from tests.mutants import add, sound
from tests.mutants.sound import Featurizer, FittedFeaturizer, Fuser, WaveAugmenter, WindowAugmenter


def caught_by(check, not_by, config=None):
    """List a class as the mutant of a check; its kind is that of the sound plugin that it is made from."""
    bases = {
        Featurizer: ("featurizer", sound.FeaturizerConfig),
        FittedFeaturizer: ("featurizer", sound.FeaturizerConfig),
        WaveAugmenter: ("augmenter", sound.WaveConfig),
        WindowAugmenter: ("augmenter", sound.WindowConfig),
        Fuser: ("fuser", sound.FuserConfig),
    }

    def listed(target):
        kind, sound_config = bases[target.__mro__[1]]
        add(kind, check, not_by, config or sound_config, target)
        return target

    return listed


@caught_by("keeps_its_contract", "shortest_waves")
class LeavesTheLastRow(Featurizer):
    def fill(self, wave, sample_rate, out):
        super().fill(wave, sample_rate, out[:-1])


@caught_by("keeps_its_contract", "shortest_waves")
class NoScale(Featurizer):
    scale = "decibel"


@caught_by("inputs_are_unchanged", "same_seed_same_result")
class ChangesTheWave(Featurizer):
    def fill(self, wave, sample_rate, out):
        wave[0] = 0
        super().fill(wave, sample_rate, out)


@caught_by("same_seed_same_result", "threads_do_not_disturb_each_other")
class Dithers(Featurizer):
    def fill(self, wave, sample_rate, out):
        super().fill(wave, sample_rate, out)
        out += np.random.default_rng().normal(0, 1e-5, out.shape).astype(np.float32)


@caught_by("frames_follow_the_sound", "silent_waves")
class Deaf(Featurizer):
    def power(self, wave, out):
        return super().power(wave, out) * 0


@caught_by("whole_numbers_are_scaled", "silent_waves")
class TakesWholeNumbersAsTheyAre(Featurizer):
    def plain(self, wave):
        return wave.astype(np.float32)


@caught_by("frequencies_are_those_of_the_bands", "keeps_its_contract")
class KnowsOneBandTooFew(Featurizer):
    def frequencies(self, sample_rate):
        return super().frequencies(sample_rate)[1:]


@caught_by("parts_have_the_frames_of_the_whole", "keeps_its_contract")
class StatesAnotherHop(Featurizer):
    def __init__(self, config):
        super().__init__(config)
        self.hop = config.size // 2


@caught_by("threads_do_not_disturb_each_other", "same_seed_same_result")
class OneBuffer(Featurizer):
    def power(self, wave, out):
        self.buffer = super().power(wave, out)
        time.sleep(0.002)
        buffer = np.zeros_like(out)
        rows = min(len(out), len(self.buffer))
        buffer[:rows] = self.buffer[:rows]
        return buffer


@caught_by("silent_waves", "keeps_its_contract")
class LogarithmOfNothing(Featurizer):
    def fill(self, wave, sample_rate, out):
        out[...] = 10 * np.log10(self.power(wave, out))


@caught_by("shortest_waves", "silent_waves")
class PromisesAFrame(Featurizer):
    def rows(self, n_samples):
        return max(1, super().rows(n_samples))


@caught_by("an_unfitted_featurizer_is_described", "a_fitted_featurizer_is_restored")
class StateBeforeFit(FittedFeaturizer):
    def state(self):
        return {"mean": self.mean}


@caught_by("a_fitted_featurizer_is_restored", "an_unfitted_featurizer_is_described")
class RoundsItsMean(FittedFeaturizer):
    def load(self, state):
        self.mean = state["mean"].astype(np.float16)


@caught_by("a_fitted_featurizer_is_restored", "an_unfitted_featurizer_is_described")
class RemembersFrames(FittedFeaturizer):
    def fit(self, waves, sample_rate, ctx):
        before = self.mean
        super().fit(waves, sample_rate, ctx)
        if before is not None:
            self.mean = (self.mean + before) / 2


@caught_by("keeps_its_contract", "inputs_are_unchanged")
class OtherLength(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return super().vary(wave, sample_rate, variant)[1:]


@caught_by("inputs_are_unchanged", "keeps_its_contract")
class ScalesInPlace(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        wave[...] = super().vary(wave, sample_rate, variant)
        return wave


@caught_by("it_changes_something", "variants_have_names")
class Copies(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return wave.copy()


class SameNames(sound.WaveConfig):
    @property
    def variant_names(self):
        return ("quiet", "quiet")


@caught_by("variants_have_names", "it_changes_something", SameNames)
class Nameless(WaveAugmenter):
    pass


@caught_by("unusual_inputs", "keeps_its_contract")
class DividesByThePeak(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return super().vary(wave, sample_rate, variant) / np.sign(np.abs(wave).max())


@caught_by("keeps_its_contract", "targets_say_what_is_in_a_window")
class OtherDtype(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        windows, targets = super().transform(windows, targets, rng, variant)
        return windows.astype(np.float64), targets


@caught_by("targets_say_what_is_in_a_window", "it_changes_something")
class Smooths(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        windows, targets = super().transform(windows, targets, rng, variant)
        return windows, targets * np.float32(0.9)


@caught_by("randomness_comes_from_rng", "same_seed_same_result")
class AlwaysTheSame(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        return super().transform(windows, targets, np.random.default_rng(0), variant)


@caught_by("unusual_inputs", "keeps_its_contract")
class NeedsManyFrames(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        if windows.shape[1] < 2:
            raise ValueError("too few frames")
        return super().transform(windows, targets, rng, variant)


@caught_by("keeps_its_contract", "a_clip_is_fused_on_its_own")
class Float32(Fuser):
    def fuse(self, scores, ids):
        return super().fuse(scores, ids).astype(np.float32)


@caught_by("inputs_are_unchanged", "same_seed_same_result")
class DividesInPlace(Fuser):
    def fuse(self, scores, ids):
        self.known()
        scores /= self.mean
        return scores.mean(axis=1)


@caught_by("unfitted_use_raises_not_fitted", "keeps_its_contract")
class TypeErrorBeforeFit(Fuser):
    def known(self):
        pass


@caught_by("fused_scores_are_not_constant", "what_all_members_find_scores_higher")
class Constant(Fuser):
    def fuse(self, scores, ids):
        return super().fuse(scores, ids) * 0


@caught_by("what_all_members_find_scores_higher", "fused_scores_are_not_constant")
class Inverts(Fuser):
    def fuse(self, scores, ids):
        return -super().fuse(scores, ids)


@caught_by("fit_changes_what_is_learnt", "refit_forgets")
class LearnsNothing(Fuser):
    def fit(self, train_scores, ids):
        self.mean = np.ones(train_scores.shape[1])


@caught_by("refit_forgets", "fit_changes_what_is_learnt")
class Remembers(Fuser):
    def fit(self, train_scores, ids):
        before = 0 if self.mean is None else self.mean
        self.mean = before + train_scores.mean(axis=0)


@caught_by("a_clip_is_fused_on_its_own", "what_all_members_find_scores_higher")
class Ranks(Fuser):
    """Scores become ranks among those that are fused together."""

    def fuse(self, scores, ids):
        return super().fuse(scores.argsort(axis=0).argsort(axis=0) + scores * 1e-9, ids)


@caught_by("an_unknown_id_is_fused", "unusual_scores")
class KnownIdsOnly(Fuser):
    def fit(self, train_scores, ids):
        super().fit(train_scores, ids)
        self.ids = sorted(set(ids))

    def fuse(self, scores, ids):
        fused = super().fuse(scores, ids)
        return np.where(np.isin(ids, self.ids) | (len(self.ids) < 2), fused, np.nan)

    def state(self):
        self.known()
        return {"mean": self.mean, "ids": self.ids}

    def load(self, state):
        self.mean, self.ids = state["mean"], state["ids"]


@caught_by("unusual_scores", "keeps_its_contract")
class DividesByTheDeviation(Fuser):
    def fit(self, train_scores, ids):
        self.mean = train_scores.std(axis=0)


@caught_by("state_survives_a_new_process", "same_seed_same_result")
class RoundsItsState(Fuser):
    def state(self):
        if self.mean is None:
            raise NotFitted("not fitted")
        return {"mean": self.mean.astype(np.float32)}
