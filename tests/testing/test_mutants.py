"""Each conformance check catches a plugin that is broken on purpose, and that one alone catches it."""

from __future__ import annotations

import pytest

from asdkit.api import Entry
from asdkit.plugins import KINDS
from asdkit.testing import check_plugin
from asdkit.testing.contract import checks_of
from tests.mutants import MUTANTS, configs, detectors, heavy, others, sound  # noqa: F401 (each lists its mutants)

SOUND = {
    "detector": Entry("sound", sound.SoundConfig, sound.Detector, summary="Sound."),
    "featurizer": Entry("sound", sound.FeaturizerConfig, sound.Featurizer, summary="Sound."),
    "wave": Entry("sound", sound.WaveConfig, sound.WaveAugmenter, summary="Sound."),
    "window": Entry("sound", sound.WindowConfig, sound.WindowAugmenter, summary="Sound."),
    "fuser": Entry("sound", sound.FuserConfig, sound.Fuser, summary="Sound."),
}


@pytest.fixture(scope="module", autouse=True)
def table(request):
    """The table of checks and mutants, printed once all mutants are through."""
    caught: dict[str, dict[str, tuple[str, ...]]] = {}
    yield caught
    rows = [
        f"{kind:<11} {check:<40} {mutant:<28} {', '.join(failed) or 'NOTHING'}"
        for kind, mutants in caught.items()
        for mutant, (check, *failed) in mutants.items()
    ]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(  # noqa: T201 (the table of checks and mutants is to be seen)
            "\n"
            + "\n".join(
                ["kind        check                                    mutant                       failed", *rows]
            )
        )


@pytest.mark.parametrize("kind", SOUND)
def test_the_sound_plugin_passes_every_check(kind):
    results = check_plugin(SOUND[kind])
    assert [(r.check, r.message) for r in results if r.status == "failed"] == []
    assert sum(r.status == "passed" for r in results) >= 13


class KnownIdsOnly(sound.Detector):
    """Raises for an id that was not in training."""

    def fit(self, training, ctx):
        super().fit(training, ctx)
        self.ids = list(training.real_ids)

    def score(self, features, windows, ids, ctx):
        assert set(ids) <= set(self.ids)
        return super().score(features, windows, ids, ctx)


def test_a_detector_need_not_know_other_ids():
    results = check_plugin(Entry("sound", sound.SoundConfig, KnownIdsOnly, summary="Sound."))
    assert [r.status for r in results if r.check == "unknown_ids_get_the_best"] == ["passed"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.kind}-{m.check}-{m.entry.target.__name__}")
def test_a_mutant_is_caught_by_its_check_and_by_no_other(mutant, table, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # what a machine with a GPU may have
    results = check_plugin(mutant.entry)
    failed = [r.check for r in results if r.status == "failed"]
    name = mutant.entry.target.__name__
    if mutant.check.startswith(("options", "defaults", "registering")):
        name = mutant.entry.config.__name__
    table.setdefault(mutant.kind, {})[name] = (mutant.check, *failed)
    assert failed == [mutant.check], [(r.check, r.message) for r in results if r.status == "failed"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_has_a_mutant(kind):
    """Of a check that serves several kinds alike, one mutant of any kind will do."""
    caught = {m.check for m in MUTANTS}
    assert [c.name for c in checks_of(kind) if c.name not in caught] == []
