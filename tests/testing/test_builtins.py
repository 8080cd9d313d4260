"""Every built-in plugin passes every conformance check that applies to it."""

from __future__ import annotations

import pytest

from asdkit.plugins import discover
from asdkit.testing import parametrize_with_checks

BUILTIN = [p for p in discover().plugins if p.distribution == "asdkit"]


@parametrize_with_checks([p.entry for p in BUILTIN])
def test_a_builtin_plugin_keeps_its_contract(check):
    check()


@pytest.mark.parametrize("plugin", BUILTIN, ids=lambda p: p.name)
def test_a_builtin_plugin_is_listed_without_a_remark_and_imports_nothing_heavy(plugin):
    assert (plugin.status, plugin.cause, plugin.heavy) == ("ok", "", ())
