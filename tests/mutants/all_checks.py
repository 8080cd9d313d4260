"""All checks on all mutants, which takes minutes: ``nox -s mutants``. The tests of every day run two checks on each."""

from __future__ import annotations

import pytest

from asdkit.testing import check_plugin
from tests.mutants import MUTANTS, Mutant, configs, detectors, heavy, layouts, others  # noqa: F401 (they list mutants)


@pytest.fixture(scope="module", autouse=True)
def table(request):
    """The checks that caught each mutant, printed at the end."""
    caught: dict[str, list[str]] = {}
    yield caught
    rows = [f"{name:<80} {', '.join(failed) or 'NOTHING'}" for name, failed in caught.items()]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n".join(["", f"{'mutant':<80} caught by", *rows]))  # noqa: T201 (the result of the session)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_only_its_own_check_catches_a_mutant(
    mutant: Mutant, table: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # as on a machine with a GPU
    results = check_plugin(mutant.entry)
    failed = [r.check for r in results if r.status == "failed"]
    table[str(mutant)] = failed
    assert failed == [mutant.caught_by], [(r.check, r.message) for r in results if r.status == "failed"]
