"""Results of the checks, as the author of a plugin gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asdkit.api import Config, Entry
from asdkit.errors import UsageError
from asdkit.testing import check_plugin, parametrize_with_checks
from tests.mutants import configs, detectors, sound

SOUND = sound.ENTRIES["detector"]
INVERTED = Entry("inverted", sound.SoundConfig, detectors.Similarity, summary="Lower is more anomalous.")
REASON = {"faults_score_higher": "lower is more anomalous here"}
TREE = Path(__file__).parents[2]


def statuses(entry: Entry, *checks: str, **options) -> dict[str, str]:
    return {r.check: r.status for r in check_plugin(entry, checks=checks or None, **options)}


def test_an_expected_failure_keeps_reason_and_finding():
    (result,) = check_plugin(INVERTED, checks=list(REASON), expected_failures=REASON)
    assert result.status == "expected"
    assert "lower is more anomalous here" in result.message
    assert "AUC" in result.message


def test_an_expected_failure_that_passes_is_a_failure():
    (result,) = check_plugin(SOUND, checks=["silence"], expected_failures={"silence": "it never was"})
    assert result.status == "failed"
    assert "passes" in result.message


def test_only_the_named_checks_run_in_order():
    names = ["scores_are_not_constant", "options_are_documented"]
    assert list(statuses(SOUND, *names)) == ["options_are_documented", "scores_are_not_constant"]


@pytest.mark.parametrize("run", [check_plugin, lambda entry, **named: parametrize_with_checks([entry], **named)])
@pytest.mark.parametrize("named", [{"checks": ["silennce"]}, {"expected_failures": {"silennce": "no"}}])
def test_an_unknown_check_is_refused_with_the_nearest_name(run, named):
    with pytest.raises(UsageError, match='did you mean "silence"'):
        run(SOUND, **named)


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_an_expected_failure_needs_a_reason(reason):
    expected = {"faults_score_higher": reason}
    with pytest.raises(UsageError, match="faults_score_higher has no reason"):
        check_plugin(INVERTED, expected_failures=expected)
    with pytest.raises(UsageError, match="faults_score_higher has no reason"):
        parametrize_with_checks([INVERTED], expected_failures=expected)


@pytest.mark.parametrize("thing", [5, None, "knn", sound.Detector, Entry("thing", 5, dict)])
def test_only_entries_are_checked(thing):
    with pytest.raises(UsageError, match=r"expected an asdkit\.api\.Entry|expected a subclass of asdkit\.api\.Config"):
        check_plugin(thing)


def test_an_entry_of_no_kind_is_refused():
    with pytest.raises(UsageError, match="no plugin that can be checked"):
        check_plugin(Entry("thing", Config, dict))


def test_checks_of_use_skip_what_cannot_be_constructed():
    entry = Entry("no-default", configs.NoDefault, sound.Detector)
    names = ["keeps_its_contract", "inputs_are_unchanged"]
    assert statuses(entry, *names) == dict.fromkeys(names, "skipped")


def test_options_that_the_plugin_refuses_stop_early():
    class Picky(sound.SoundConfig):
        def problems(self, job):
            return ["frames: expected a number"] if job.frames == "clip" else []

    picky = Entry("picky", Picky, sound.Detector, summary="Picky.")
    with pytest.raises(UsageError, match="frames: expected a number"):
        check_plugin(picky, options={"frames": "clip"})
    for options in ({"frames": {1}}, {"frames": 0}):
        with pytest.raises(UsageError, match="options: "):
            check_plugin(picky, options=options)


def test_options_reach_the_plugin():
    name = "keeps_its_contract"
    assert statuses(SOUND, name, options={"order": 1.0, "frames": 3, "hop": 2}) == {name: "passed"}
    with pytest.raises(UsageError, match="order"):
        check_plugin(SOUND, options={"order": 100.0})


def test_a_local_class_is_checked_without_a_new_process():
    class Local(sound.Detector):
        pass

    found = statuses(Entry("local", sound.SoundConfig, Local, summary="Local."))
    assert "failed" not in found.values()
    skipped = {check for check, status in found.items() if status == "skipped"}
    assert skipped >= {"registering_is_light", "state_survives_a_new_process", "runs_without_cuda"}


def test_checks_become_cases_of_pytest(pytester, monkeypatch):
    pytester.makepyfile(
        """
        from asdkit.api import Entry
        from asdkit.testing import parametrize_with_checks
        from tests.mutants import detectors, sound

        INVERTED = Entry("inverted", sound.SoundConfig, detectors.Similarity, summary="Lower is more anomalous.")

        @parametrize_with_checks([sound.ENTRIES["detector"], sound.ENTRIES["window"]])
        def test_sound(check):
            check()

        @parametrize_with_checks(
            [INVERTED],
            checks=["faults_score_higher", "training_pays", "silence"],
            expected_failures={"faults_score_higher": "inverted"},
        )
        def test_inverted(check):
            check()
        """
    )
    monkeypatch.syspath_prepend(TREE)
    outcome = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    outcomes = outcome.parseoutcomes()
    assert outcomes.keys() == {"passed", "skipped", "xfailed"}
    assert (outcomes["passed"] >= 26 + 15 + 1, outcomes["xfailed"]) == (True, 1)  # of the detector, the augmenter, both
