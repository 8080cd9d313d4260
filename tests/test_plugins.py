"""Plugins are found one by one: what is broken is named, and harms nobody else."""

from __future__ import annotations

import sys

import pytest

from asdkit.errors import PluginError, UsageError
from asdkit.plugins import discover
from tests.conftest import install

GOOD = """
from asdkit.api import DetectorConfig, Entry, hookimpl

class Config(DetectorConfig):
    pass

@hookimpl
def asdkit_detectors():
    return [Entry("{name}", Config, "{module}:Detector"{more})]
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that installs plugins; modules imported from it are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("plug_"):
            del sys.modules[name]


def add(site, module, source):
    install(site, f"dist-{module}", {f"{module}.py": source}, {module: module})


def only(registry, distribution):
    return [p for p in registry.plugins if p.distribution == distribution]


def test_a_good_plugin_is_found_with_its_distribution(site):
    add(site, "plug_good", GOOD.format(name="mine", module="plug_good", more=""))
    plugin = discover().find("detector", "mine")
    assert (plugin.status, plugin.distribution, plugin.version) == ("ok", "dist-plug_good", "1.0")


@pytest.mark.parametrize(
    ("source", "status", "cause"),
    [
        ("import no_such_module_anywhere", "broken", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise SystemExit('I leave')", "broken", "SystemExit: I leave"),
        ("def f(:", "broken", "SyntaxError"),
        ("x = 1", "broken", "implements none of the hooks"),
        (
            GOOD.replace("return [", "raise RuntimeError('boom')\n    ["),
            "broken",
            "asdkit_detectors: RuntimeError: boom",
        ),
        (GOOD.replace("return [", "return 3 or ["), "broken", "must return a list of Entry, not int"),
        (GOOD.replace("return [", "return [3] or ["), "broken", "the list holds int, not Entry"),
        (GOOD.replace("(DetectorConfig)", ""), "broken", "must be a subclass of asdkit.api.DetectorConfig"),
        (GOOD.replace("{module}:Detector", "nonsense"), "broken", "is not 'package.module:Class'"),
        (GOOD.replace("asdkit_detectors", "asdkit_detector"), "broken", "unknown hook 'asdkit_detector'"),
        (GOOD.replace("{more}", ", api_version=99"), "incompatible", "written for plugin API 99"),
        (GOOD.replace("{name}", "Not A Name"), "broken", "lower case"),
    ],
)
def test_a_faulty_plugin_is_listed_with_its_cause_and_the_others_still_work(site, source, status, cause):
    source = source.replace("{name}", "faulty").replace("{module}", "plug_faulty").replace("{more}", "")
    add(site, "plug_faulty", source)
    add(site, "plug_good", GOOD.format(name="mine", module="plug_good", more=""))
    registry = discover()
    (plugin,) = only(registry, "dist-plug_faulty")
    assert plugin.status == status
    assert cause in plugin.cause
    assert registry.find("detector", "mine").status == "ok"
    assert registry.find("featurizer", "log-mel").status == "ok"


def test_a_name_claimed_twice_names_both_distributions_and_is_fatal_only_when_used(site):
    for module in ("plug_one", "plug_two"):
        add(site, module, GOOD.format(name="same", module=module, more=""))
    registry = discover()
    with pytest.raises(PluginError) as caught:
        registry.find("detector", "same")
    assert "dist-plug_one" in str(caught.value)
    assert "dist-plug_two" in str(caught.value)
    assert registry.find("featurizer", "log-mel").status == "ok"


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match='did you mean "log-mel"'):
        discover().find("featurizer", "logmel")


def test_every_builtin_plugin_is_ok_and_its_hook_module_is_light():
    builtin = only(discover(), "asdkit")
    assert [p.name for p in builtin if p.status != "ok"] == []
    assert {p.kind for p in builtin} == {"featurizer", "augmenter", "detector", "fuser"}


def test_importing_heavy_libraries_at_the_top_is_noticed(asdkit_command, site):
    add(site, "plug_heavy", "import sklearn\n" + GOOD.format(name="heavy", module="plug_heavy", more=""))
    lines = asdkit_command("plugins").stdout.splitlines()
    (line,) = [line for line in lines if "dist-plug_heavy" in line]
    assert "imports sklearn just to be listed" in line
