"""Every built-in plugin passes every conformance check that applies to it."""

from __future__ import annotations

import pytest

from asdkit.api import NetworkConfig
from asdkit.plugins import discover
from asdkit.testing import parametrize_with_checks
from asdkit.testing.checks import checks_of

BUILTIN = [p for p in discover().plugins if p.distribution == "asdkit" and p.entry is not None]
NETWORKS = [p.entry for p in BUILTIN if issubclass(p.entry.config, NetworkConfig)]
NEED_FILES = ["onnx-embedding"]  # tests/pretrained checks it with a model of its own
OTHERS = [p.entry for p in BUILTIN if not issubclass(p.entry.config, NetworkConfig) and p.name not in NEED_FILES]

NEED_TRAINING = ["fit_changes_what_is_learnt", "scores_are_not_constant", "faults_score_higher", "training_pays"]
NEED_NONE = [check.name for check in checks_of("detector") if check.name not in NEED_TRAINING]
SHORT = {"windows_per_clip": 8, "batch_size": 12}
FEW_STEPS = {"epochs": 2, "windows_per_clip": 2, "least_batches": 3, "batch_size": 16}


@parametrize_with_checks(NETWORKS, checks=NEED_TRAINING, options=SHORT)
def test_a_trained_network_keeps_its_contract(check):
    check()


@parametrize_with_checks(NETWORKS, checks=NEED_NONE, options=FEW_STEPS)
def test_a_network_keeps_its_contract_after_few_steps(check):
    check()


@parametrize_with_checks(OTHERS)
def test_a_builtin_plugin_keeps_its_contract(check):
    check()


@pytest.mark.parametrize("plugin", BUILTIN, ids=lambda p: p.name)
def test_a_builtin_plugin_is_light_and_ok(plugin):
    assert (plugin.status, plugin.cause, plugin.heavy) == ("ok", "", ())
