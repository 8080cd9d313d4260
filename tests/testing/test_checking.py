"""Results of the checks, as a plugin's author gets them."""

from __future__ import annotations

import pytest

from asdkit.api import Config, Entry
from asdkit.errors import UsageError
from asdkit.testing import check_plugin, parametrize_with_checks
from tests.mutants import detectors, sound

SHARP = Entry("sound", sound.SoundConfig, sound.Detector, summary="Sound.")
BLUNT = Entry("similarity", sound.SoundConfig, detectors.Similarity, summary="Upside down.")


def result(results, check):
    return next(r for r in results if r.check == check)


def test_an_expected_failure_is_no_failure_and_keeps_its_reason_and_what_was_found():
    results = check_plugin(BLUNT, expected_failures={"faults_score_higher": "lower is more anomalous here"})
    assert [r.check for r in results if r.status == "failed"] == []
    found = result(results, "faults_score_higher")
    assert found.status == "expected"
    assert "lower is more anomalous here" in found.message
    assert "AUC" in found.message


def test_an_expected_failure_that_passes_after_all_is_a_failure():
    results = check_plugin(SHARP, expected_failures={"nan_is_refused": "it never was"})
    assert [r.check for r in results if r.status == "failed"] == ["nan_is_refused"]
    assert "passes" in result(results, "nan_is_refused").message


def test_an_expected_failure_of_no_check_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match='did you mean "nan_is_refused"'):
        check_plugin(SHARP, expected_failures={"nan_is_refussed": "misspelt"})


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_an_expected_failure_without_a_reason_is_refused(reason):
    expected = {"faults_score_higher": reason}
    with pytest.raises(UsageError, match="faults_score_higher has no reason"):
        check_plugin(BLUNT, expected_failures=expected)
    with pytest.raises(UsageError, match="faults_score_higher has no reason"):
        parametrize_with_checks([BLUNT], expected_failures=expected)


def test_cases_of_pytest_expect_no_failure_of_no_check():
    with pytest.raises(UsageError, match='did you mean "nan_is_refused"'):
        parametrize_with_checks([SHARP], expected_failures={"nan_is_refussed": "misspelt"})


@pytest.mark.parametrize("thing", [5, None, "knn", sound.Detector, Entry("thing", 5, dict)])
def test_what_is_no_entry_is_refused(thing):
    with pytest.raises(UsageError, match=r"expected an asdkit\.api\.Entry|expected a subclass of asdkit\.api\.Config"):
        check_plugin(thing)


def test_options_that_the_plugin_itself_refuses_are_refused_before_any_check():
    class Picky(sound.SoundConfig):
        def problems(self, job):
            return ["frames: expected a number"] if job.frames == "clip" else []

    picky = Entry("picky", Picky, sound.Detector, summary="Picky.")
    with pytest.raises(UsageError, match="frames: expected a number"):
        check_plugin(picky, options={"frames": "clip"})
    for options in ({"frames": {1}}, {"frames": 0}):
        with pytest.raises(UsageError, match="options: "):
            check_plugin(picky, options=options)


def test_options_reach_the_plugin_and_wrong_ones_are_refused():
    assert check_plugin(SHARP, options={"order": 1.0, "frames": 3, "hop": 2})
    with pytest.raises(UsageError, match="order"):
        check_plugin(SHARP, options={"order": 100.0})


def test_what_is_no_plugin_is_refused():
    with pytest.raises(UsageError, match="no plugin that can be checked"):
        check_plugin(Entry("thing", Config, dict))


def test_a_plugin_of_a_function_is_checked_but_for_what_needs_a_new_process():
    class Local(sound.Detector):
        pass

    results = check_plugin(Entry("local", sound.SoundConfig, Local, summary="Local."))
    assert [r.check for r in results if r.status == "failed"] == []
    skipped = {r.check for r in results if r.status == "skipped"}
    assert skipped == {"registering_is_light", "state_survives_a_new_process", "runs_without_cuda"}


def test_checks_become_cases_of_pytest_with_expected_failures_marked(pytester, monkeypatch):
    pytester.makepyfile(
        """
        from asdkit.testing import parametrize_with_checks
        from tests.testing.test_checking import BLUNT, SHARP

        @parametrize_with_checks([SHARP])
        def test_sharp(check):
            check()

        @parametrize_with_checks([BLUNT], expected_failures={"faults_score_higher": "upside down"})
        def test_blunt(check):
            check()
        """
    )
    from pathlib import Path

    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    ran = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    ran.assert_outcomes(passed=52, skipped=1, xfailed=1)
