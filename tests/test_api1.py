"""Plugins of API 1 load and run as before: the example packages of that time, unchanged, and the old names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from asdkit.api import Context, Entry, NetworkConfig, NetworkDetector, WindowNetwork
from asdkit.bundle import Bundle
from asdkit.plugins import KINDS, Plugin, Registry, call_hook, discover, manager_of
from asdkit.run import make_plan, run_plan
from asdkit.scoring import guarded_fuse
from asdkit.spec import load_spec
from asdkit.testing import check_plugin
from asdkit.training import network as training_network
from tests.helpers.rooms import make_room

FOLDER = Path(__file__).parent / "api1"
PACKAGES = {
    "asdkit-gammatone": "asdkit_gammatone",
    "asdkit-mean-spectrum": "asdkit_mean_spectrum",
    "asdkit-pyod": "asdkit_pyod",
}
SPEC = """asdkit = 1
name = "old"
[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000
machines = ["fan"]
[featurizers.F]
use = "gammatone"
[detectors.S]
use = "mean-spectrum"
[detectors.S4]
extends = "S"
order = 4.0
[systems.both]
members = ["S", "S4"]
fuser = { use = "old-names" }
"""


@pytest.fixture(scope="module")
def modules():
    """The packages, imported from their folders; other tests may have imported those of the examples."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES.values()}
    for name in before:
        del sys.modules[name]
    sys.path[:0] = [str(FOLDER / package) for package in PACKAGES]
    yield {package: importlib.import_module(module) for package, module in PACKAGES.items()}
    del sys.path[: len(PACKAGES)]
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES.values()]:
        del sys.modules[name]
    sys.modules |= before


def plugins_of(modules) -> list[Plugin]:
    return [
        Plugin(kind, entry.name, "ok", package, "1.0", PACKAGES[package], entry)
        for package, module in modules.items()
        for kind in KINDS
        for entry in call_hook(manager_of(module), kind)
    ]


def test_they_are_of_version_1(modules):
    found = plugins_of(modules)
    assert {plugin.entry.api_version for plugin in found} == {1}
    assert {plugin.distribution for plugin in found} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_they_pass_the_checks(package, modules):
    if package == "asdkit-pyod":
        pytest.importorskip("pyod")
    for plugin in plugins_of({package: modules[package]}):
        assert [(r.check, r.message) for r in check_plugin(plugin.entry) if r.status == "failed"] == []


class OldNames:
    """A fuser of API 1."""

    def __init__(self, config):
        self.mean = None

    def fit(self, train_scores, ids):
        self.mean = train_scores.mean(axis=0)

    def fuse(self, scores, ids):
        return self.fuse_some(scores, ids, range(scores.shape[1]))

    def fuse_some(self, scores, ids, members):
        return (scores / self.mean[list(members)]).mean(axis=1)

    def state(self):
        return {"mean": self.mean}

    def load(self, state):
        self.mean = state["mean"]


def test_a_run_and_a_bundle_of_them_work(modules, tmp_path):
    from asdkit.api import Config

    fuser = Plugin("fuser", "old-names", "ok", "test", "1", "tests.test_api1", Entry("old-names", Config, OldNames))
    registry = Registry([*discover().plugins, *plugins_of(modules), fuser])
    make_room(tmp_path / "room")
    (tmp_path / "spec.toml").write_text(SPEC)
    results = run_plan(make_plan(load_spec(tmp_path / "spec.toml", registry=registry), tmp_path / "run", registry))
    assert results.failed == {}
    bundle = Bundle.of_run(tmp_path / "run", "both", registry=registry)
    assert bundle.score(np.zeros(8000, np.float32) + 0.1, 8000, "00").worst_seconds is not None
    scores = np.array([[2.0, 4.0]])
    expected = bundle.fuser.fuse_some(scores[:, 1:], ["00"], [1])
    assert guarded_fuse(bundle.fuser, "old-names", scores[:, 1:], ["00"], [1]) == expected


def test_the_old_names_of_networks_are_called():
    seen = []

    class Network(WindowNetwork):
        def settle(self, batches):
            super().settle(batches)
            seen.append(batches)

    class Old(NetworkDetector):
        @property
        def about_own_mean(self):
            return True

    assert Old(NetworkConfig()).standardize_per_id
    assert not NetworkDetector(NetworkConfig()).standardize_per_id
    Network().finalize([1])
    assert seen == [[1]]
    assert training_network.WindowNetwork is WindowNetwork
    assert Context().should_stop() is False
