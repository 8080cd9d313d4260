"""Further faults that a check catches, with the message that the author of the plugin reads."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ConfigDict

from asdkit.api import Entry, Stopped
from asdkit.testing import check_plugin
from tests.mutants import sound


class Lenient(sound.SoundConfig):
    model_config = ConfigDict(strict=False)


class FailsInFit(sound.Detector):
    def fit(self, training, ctx):
        raise ValueError("no good")


class ListOfScores(sound.Detector):
    def score(self, features, windows, ids, ctx):
        return super().score(features, windows, ids, ctx).tolist()


class EmptyState(sound.Detector):
    def state(self):
        self.known()
        return {"bands": 32}


class ScoresBeforeFit(sound.Detector):
    def score(self, features, windows, ids, ctx):
        return np.zeros(len(windows), np.float32)


class FitsOnce(sound.Detector):
    def fit(self, training, ctx):
        if self.mean is not None:
            raise RuntimeError("fitted already")
        super().fit(training, ctx)


class StopsLate(sound.Detector):
    def fit(self, training, ctx):
        stops = sum(ctx.should_stop() for _ in range(20))
        if stops:
            raise Stopped("stopped")
        super().fit(training, ctx)


class ChangingKeys(sound.Detector):
    fits = 0

    def fit(self, training, ctx):
        super().fit(training, ctx)
        type(self).fits += 1
        self.key = f"fit {self.fits}"

    def state(self):
        return {**super().state(), self.key: 1}


class FirstUseOnly(sound.Featurizer):
    uses = 0

    def __init__(self, config):
        super().__init__(config)
        type(self).uses += 1
        if self.uses > 3:
            raise RuntimeError("used up")


class NegativePower(sound.Featurizer):
    scale = "power"


class NoFrames(sound.Featurizer):
    def rows(self, n_samples):
        return 0


class NoVariants(sound.WaveConfig):
    @property
    def variant_names(self):
        return ()


class EqualVariants(sound.WaveAugmenter):
    def vary(self, wave, sample_rate, variant):
        return super().vary(wave, sample_rate, 0)


class ShiftsTargets(sound.WindowAugmenter):
    def transform(self, windows, targets, rng, variant):
        windows, _ = super().transform(windows, targets, rng, variant)
        return windows, np.roll(targets, 1, axis=1)


class DependsOnOrder(sound.Fuser):
    def fuse(self, scores, ids):
        return super().fuse(scores, ids) + np.arange(len(ids))


def entry(config: type, target: type, **more) -> Entry:
    return Entry("faulty", config, target, **{"summary": "Faulty.", **more})


FAULTS = [
    ("options_are_validated", entry(Lenient, sound.Detector), "not strict and frozen"),
    ("options_are_documented", entry(sound.SoundConfig, sound.Detector, summary=" "), "no summary"),
    ("defaults_construct", entry(sound.FuserConfig, sound.Fuser, defaults={"hop": 0}), "other kinds none"),
    ("keeps_its_contract", entry(sound.SoundConfig, FailsInFit), "ValueError: no good"),
    ("keeps_its_contract", entry(sound.SoundConfig, ListOfScores), "score returned list"),
    ("keeps_its_contract", entry(sound.FeaturizerConfig, NegativePower), "negative numbers"),
    ("keeps_its_contract", entry(sound.FeaturizerConfig, NoFrames), "no frames"),
    ("fit_changes_what_is_learnt", entry(sound.SoundConfig, EmptyState), "no decimal number"),
    ("unfitted_use_raises_not_fitted", entry(sound.SoundConfig, ScoresBeforeFit), "score before fit raised nothing"),
    ("refit_forgets", entry(sound.SoundConfig, FitsOnce), "a second fit raised RuntimeError"),
    ("stops_within_a_batch", entry(sound.SoundConfig, StopsLate), "continued for"),
    ("same_seed_same_result", entry(sound.SoundConfig, ChangingKeys), "exists only once"),
    ("same_seed_same_result", entry(sound.FeaturizerConfig, FirstUseOnly), "a second use raised RuntimeError"),
    ("variants_have_names", entry(NoVariants, sound.WaveAugmenter), "makes variants"),
    ("it_changes_something", entry(sound.WaveConfig, EqualVariants), "the same as an earlier one"),
    ("targets_say_what_is_in_a_window", entry(sound.WindowConfig, ShiftsTargets), "targets were changed"),
    ("a_clip_is_fused_on_its_own", entry(sound.FuserConfig, DependsOnOrder), "order of the clips"),
]


@pytest.mark.parametrize(("check", "faulty", "message"), FAULTS, ids=lambda value: str(value)[:30])
def test_a_fault_is_described(check: str, faulty: Entry, message: str) -> None:
    (result,) = check_plugin(faulty, checks=[check])
    assert result.status == "failed"
    assert message in result.message


def test_a_module_that_does_not_import_is_named() -> None:
    config = type("Config", (sound.SoundConfig,), {"__module__": "no_such_module"})
    (result,) = check_plugin(entry(config, FailsInFit), checks=["registering_is_light"])
    assert result.status == "failed"
    assert "importing no_such_module failed" in result.message


def test_a_featurizer_need_not_know_its_frequencies() -> None:
    class Unknown(sound.Featurizer):
        frequencies = property()

    (result,) = check_plugin(entry(sound.FeaturizerConfig, Unknown), checks=["frequencies_are_those_of_the_bands"])
    assert result.status == "skipped"
