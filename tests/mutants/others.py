"""Broken featurizers, augmenters and fusers: each does one thing wrong."""

from __future__ import annotations

import time

import numpy as np

from asdkit.api import NotFitted
from tests.mutants import add, sound
from tests.mutants.sound import Featurizer, Fuser, WaveAugmenter, WindowAugmenter


def breaks(check, config=None):
    """List a class as the mutant of a check; its kind is that of the sound plugin that it is made from."""
    made_from = {
        Featurizer: ("featurizer", sound.FeaturizerConfig),
        WaveAugmenter: ("augmenter", sound.WaveConfig),
        WindowAugmenter: ("augmenter", sound.WindowConfig),
        Fuser: ("fuser", sound.FuserConfig),
    }

    def listed(target):
        kind, usual = made_from[target.__mro__[1]]
        add(check, kind, config or usual, target)
        return target

    return listed


@breaks("keeps_its_contract")
class LeavesTheLastRow(Featurizer):
    def fill(self, wave, sample_rate, out):
        super().fill(wave, sample_rate, out[:-1])


@breaks("inputs_are_unchanged")
class ChangesTheWave(Featurizer):
    def fill(self, wave, sample_rate, out):
        wave[0] = 0
        super().fill(wave, sample_rate, out)


@breaks("same_seed_same_result")
class Dithers(Featurizer):
    def fill(self, wave, sample_rate, out):
        super().fill(wave, sample_rate, out)
        out += np.random.default_rng().normal(0, 1e-5, out.shape).astype(np.float32)


@breaks("frames_follow_the_sound")
class Deaf(Featurizer):
    def power(self, wave, out):
        return super().power(wave, out) * 0


@breaks("whole_numbers_are_scaled")
class TakesWholeNumbersAsTheyAre(Featurizer):
    def plain(self, wave):
        return wave.astype(np.float32)


@breaks("frequencies_are_those_of_the_bands")
class KnowsOneBandTooFew(Featurizer):
    def frequencies(self, sample_rate):
        return super().frequencies(sample_rate)[1:]


@breaks("threads_do_not_disturb_each_other")
class OneBuffer(Featurizer):
    def power(self, wave, out):
        self.buffer = super().power(wave, out)
        time.sleep(0.002)
        buffer = np.zeros_like(out)
        rows = min(len(out), len(self.buffer))
        buffer[:rows] = self.buffer[:rows]
        return buffer


@breaks("silent_waves")
class LogarithmOfNothing(Featurizer):
    def fill(self, wave, sample_rate, out):
        out[...] = 10 * np.log10(self.power(wave, out))


@breaks("shortest_waves")
class PromisesAFrame(Featurizer):
    def rows(self, n_samples):
        return max(1, super().rows(n_samples))


@breaks("nan_is_not_hidden")
class HidesNanSamples(Featurizer):
    def power(self, wave, out):
        return np.nan_to_num(super().power(wave, out))


@breaks("keeps_its_contract")
class OtherLength(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return super().vary(wave, sample_rate, variant)[1:]


@breaks("inputs_are_unchanged")
class ScalesInPlace(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        wave[...] = super().vary(wave, sample_rate, variant)
        return wave


@breaks("it_changes_something")
class Copies(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return wave.copy()


class SameNames(sound.WaveConfig):
    @property
    def variant_names(self):
        return ("quiet", "quiet")


@breaks("variants_have_names", SameNames)
class Nameless(WaveAugmenter):
    pass


@breaks("unusual_inputs")
class DividesByThePeak(WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return super().vary(wave, sample_rate, variant) / np.sign(np.abs(wave).max())


@breaks("keeps_its_contract")
class OtherDtype(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        windows, targets = super().transform(windows, targets, rng, variant)
        return windows.astype(np.float64), targets


@breaks("targets_say_what_is_in_a_window")
class Smooths(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        windows, targets = super().transform(windows, targets, rng, variant)
        return windows, targets * np.float32(0.9)


@breaks("randomness_comes_from_rng")
class AlwaysTheSame(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        return super().transform(windows, targets, np.random.default_rng(0), variant)


@breaks("unusual_inputs")
class NeedsManyFrames(WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        if windows.shape[1] < 2:
            raise ValueError("too few frames")
        return super().transform(windows, targets, rng, variant)


@breaks("keeps_its_contract")
class Float32(Fuser):
    def fuse(self, scores, ids):
        return super().fuse(scores, ids).astype(np.float32)


@breaks("inputs_are_unchanged")
class DividesInPlace(Fuser):
    def fuse(self, scores, ids):
        self.known()
        scores /= self.mean
        return scores.mean(axis=1)


@breaks("unfitted_use_raises_not_fitted")
class TypeErrorBeforeFit(Fuser):
    def known(self):
        pass


@breaks("fused_scores_are_not_constant")
class Constant(Fuser):
    def fuse(self, scores, ids):
        return super().fuse(scores, ids) * 0


@breaks("what_all_members_find_scores_higher")
class Inverts(Fuser):
    def fuse(self, scores, ids):
        return -super().fuse(scores, ids)


@breaks("fit_changes_what_is_learnt")
class LearnsNothing(Fuser):
    def fit(self, train_scores, ids):
        self.mean = np.ones(train_scores.shape[1])


@breaks("refit_forgets")
class Remembers(Fuser):
    def fit(self, train_scores, ids):
        before = 0 if self.mean is None else self.mean
        self.mean = before + train_scores.mean(axis=0)


@breaks("a_clip_is_fused_on_its_own")
class Ranks(Fuser):
    """Scores become ranks among those that are fused together."""

    def fuse(self, scores, ids):
        return super().fuse(scores.argsort(axis=0).argsort(axis=0) + scores * 1e-9, ids)


@breaks("an_unknown_id_is_fused")
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


@breaks("unusual_scores")
class DividesByTheDeviation(Fuser):
    def fit(self, train_scores, ids):
        self.mean = train_scores.std(axis=0)


@breaks("nan_scores_are_refused")
class HidesNanScores(Fuser):
    def fuse(self, scores, ids):
        return super().fuse(np.nan_to_num(scores), ids)


@breaks("state_survives_a_new_process")
class RoundsItsState(Fuser):
    def state(self):
        if self.mean is None:
            raise NotFitted("not fitted")
        return {"mean": self.mean.astype(np.float32)}
