"""Each conformance check catches a plugin that is broken on purpose."""

from __future__ import annotations

import pytest

from asdkit.plugins import KINDS
from asdkit.testing import check_plugin
from asdkit.testing.checks import checks_of
from tests.mutants import MUTANTS, Mutant, configs, detectors, heavy, layouts, others, sound  # noqa: F401 (they list mutants)


@pytest.mark.parametrize("kind", sound.ENTRIES)
def test_the_sound_plugin_passes_every_check(kind: str) -> None:
    results = check_plugin(sound.ENTRIES[kind])
    assert [(r.check, r.message) for r in results if r.status == "failed"] == []
    assert sum(r.status == "passed" for r in results) >= 13


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_is_caught_by_its_check(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # as on a machine with a GPU
    results = check_plugin(mutant.entry, checks=[mutant.caught_by, mutant.not_by])
    messages = {r.check: r.message for r in results}
    statuses = {r.check: r.status for r in results}
    assert statuses[mutant.caught_by] == "failed", messages
    assert statuses[mutant.not_by] != "failed", messages


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_has_a_mutant(kind: str) -> None:
    """A check for several kinds needs a mutant of one of them."""
    caught = {m.caught_by for m in MUTANTS}
    assert [c.name for c in checks_of(kind) if c.name not in caught] == []
