"""Plugin discovery: a broken plugin is listed with its cause and does not affect the others."""

from __future__ import annotations

import compileall
import re
import sys
import time
import warnings

import pytest

from asdkit import plugins
from asdkit.errors import PluginError, UsageError
from asdkit.plugins import discover
from tests.helpers.packages import install
from tests.helpers.rooms import results_of
from tests.tutorial import cpu_seconds

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
    """A folder of installed plugins; modules imported from it are removed afterwards."""
    folder = tmp_path / "site"
    folder.mkdir(exist_ok=True)
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


def test_a_plugin_is_found_with_its_distribution(site):
    add(site, "plug_good", GOOD.format(name="mine", module="plug_good", more=""))
    plugin = discover().find("detector", "mine")
    assert (plugin.status, plugin.distribution, plugin.version) == ("ok", "dist-plug_good", "1.0")


@pytest.mark.parametrize(
    ("source", "status", "cause"),
    [
        ("import no_such_module_anywhere", "broken", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("class E(BaseException):\n    pass\nraise E('I am not an Exception')", "broken", "E: I am not an Exception"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "broken", "E: no message"),
        (GOOD.replace("{more}", ", defaults=None"), "broken", "defaults of"),
        (GOOD.replace('"{module}:Detector"', "None"), "broken", "target of"),
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
        (GOOD.replace("{more}", ", api_version=True"), "incompatible", "written for plugin API True"),
        (GOOD.replace("{more}", ", api_version='1'"), "incompatible", "written for plugin API '1'"),
        (GOOD.replace("{more}", ", defaults={'frames': {5}}"), "broken", "'frames' must be a value of a spec"),
        (GOOD.replace("{more}", ", summary=5"), "broken", "summary of"),
        (GOOD.replace("{name}", "Not A Name"), "broken", "lower case"),
    ],
)
def test_a_faulty_plugin_is_listed_with_its_cause(site, source, status, cause):
    source = source.replace("{name}", "faulty").replace("{module}", "plug_faulty").replace("{more}", "")
    add(site, "plug_faulty", source)
    add(site, "plug_good", GOOD.format(name="mine", module="plug_good", more=""))
    registry = discover()
    (plugin,) = only(registry, "dist-plug_faulty")
    assert plugin.status == status
    assert cause in plugin.cause
    assert registry.find("detector", "mine").status == "ok"
    assert registry.find("featurizer", "log-mel").status == "ok"


def test_a_name_registered_twice_names_both_distributions(site):
    for module in ("plug_one", "plug_two"):
        add(site, module, GOOD.format(name="same", module=module, more=""))
    registry = discover()
    with pytest.raises(PluginError) as caught:
        registry.find("detector", "same")
    assert "dist-plug_one" in str(caught.value)
    assert "dist-plug_two" in str(caught.value)
    assert registry.find("featurizer", "log-mel").status == "ok"


def test_a_distribution_may_not_register_a_name_twice(site):
    add(site, "plug_twice", GOOD.format(name="same", module="plug_twice", more="").replace("[", "2 * ["))
    with pytest.raises(PluginError, match="dist-plug_twice registers the name 2 times"):
        discover().find("detector", "same")


def test_damaged_metadata_does_not_affect_other_plugins(site):
    for module in ("plug_good", "plug_damaged", "plug_nameless"):
        add(site, module, GOOD.format(name=module.replace("_", "-"), module=module, more=""))
    (site / "dist_plug_nameless-1.0.dist-info" / "METADATA").unlink()
    (site / "dist_plug_damaged-1.0.dist-info" / "entry_points.txt").write_text("[asdkit]\nno equals sign\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry = discover()
    assert registry.find("detector", "plug-good").status == "ok"
    assert registry.find("detector", "plug-nameless").status == "ok"
    assert registry.find("featurizer", "log-mel").status == "ok"


def test_an_unknown_name_suggests_a_similar_one():
    with pytest.raises(UsageError, match='did you mean "log-mel"'):
        discover().find("featurizer", "logmel")


def test_every_builtin_plugin_is_ok():
    builtin = only(discover(), "asdkit")
    assert [p.name for p in builtin if p.status != "ok"] == []
    assert {p.kind for p in builtin} == {"featurizer", "augmenter", "detector", "fuser", "layout", "command"}


def test_a_heavy_import_is_listed_with_its_seconds(asdkit_command, site):
    add(site, "plug_heavy", "import torch\n" + GOOD.format(name="heavy", module="plug_heavy", more=""))
    lines = asdkit_command("plugins").stdout.splitlines()
    (line,) = [line for line in lines if "dist-plug_heavy" in line]
    match = re.search(r"imports torch just to be listed \((\d+\.\d) s\)", line)
    assert match, line
    assert float(match[1]) > 0.2


def test_the_environment_restricts_the_distributions(site, monkeypatch):
    for module in ("plug_one", "plug_two"):
        add(site, module, GOOD.format(name=module.replace("_", "-"), module=module, more=""))
    monkeypatch.setenv("ASDKIT_PLUGINS", "dist.plug-one, ")
    assert [p.name for p in discover().plugins] == ["plug-one"]
    assert "plug_two" not in sys.modules
    monkeypatch.setenv("ASDKIT_PLUGINS", "asdkit,Dist-Plug_Two")
    assert {p.distribution for p in discover().plugins} == {"asdkit", "dist-plug_two"}
    monkeypatch.setenv("ASDKIT_PLUGINS", "")
    assert discover().plugins == []


def test_an_absent_distribution_in_the_environment_is_named(site, monkeypatch):
    monkeypatch.setenv("ASDKIT_PLUGINS", "asdkit,asdkit-misspelt")
    with pytest.raises(UsageError, match="asdkit-misspelt"):
        discover()


def test_the_previous_api_is_accepted(site, monkeypatch):
    monkeypatch.setattr(plugins, "API_VERSION", 3)
    for name, version in (("old", 1), ("last", 2), ("new", 3), ("next", 4)):
        more = f", api_version={version}"
        add(site, f"plug_{name}", GOOD.format(name=name, module=f"plug_{name}", more=more))
    registry = discover()
    assert registry.find("detector", "new").status == "ok"
    assert registry.find("detector", "last").status == "ok"
    for name in ("old", "next"):
        with pytest.raises(PluginError, match=f"dist-plug_{name} 1.0 is incompatible: written for plugin API"):
            registry.find("detector", name)


def test_the_default_api_version_is_one(site, monkeypatch):
    add(site, "plug_quiet", GOOD.format(name="quiet", module="plug_quiet", more=""))
    monkeypatch.setattr(plugins, "API_VERSION", 3)
    assert only(discover(), "dist-plug_quiet")[0].status == "incompatible"


FAULTS = [
    "import no_such_module_anywhere",
    "raise SystemExit('I leave')",
    "def f(:",
    "x = 1",
    GOOD.replace("return [", "raise RuntimeError('boom')\n    ["),
    GOOD.replace("return [", "return 3 or ["),
    GOOD.replace("return [", "return [3] or ["),
    GOOD.replace("(DetectorConfig)", ""),
    GOOD.replace("{module}:Detector", "nonsense"),
    GOOD.replace("asdkit_detectors", "asdkit_detector"),
    GOOD.replace("{more}", ", api_version=99"),
    GOOD.replace("{name}", "Not A Name"),
]


def add_many(site, good, broken):
    for number in range(good + broken):
        module = f"plug_{number:03}"
        source = GOOD if number < good else FAULTS[number % len(FAULTS)]
        more = source.replace("{name}", f"plugin-{number}").replace("{module}", module).replace("{more}", "")
        add(site, module, more)


def test_20_broken_plugins_among_200_are_listed(asdkit_command, asdkit, spec, site):
    add_many(site, 180, 20)
    compileall.compile_dir(site, quiet=1)  # as pip does
    begin, busy = time.perf_counter(), cpu_seconds()
    listed = asdkit_command("plugins")
    seconds, busy = time.perf_counter() - begin, cpu_seconds() - busy
    print(f"\n200 plugins, 20 of them broken: listed in {seconds:.2f} s ({busy:.2f} s of CPU)")  # noqa: T201
    assert busy < 2  # CPU time, because other processes may be running
    states = [re.findall(r" (ok|broken|incompatible) +dist-plug_", line) for line in listed.stdout.splitlines()]
    assert states.count(["ok"]) == 180
    assert states.count(["broken"]) + states.count(["incompatible"]) == 20
    ran = asdkit("run", spec, "--machine", "fan", "--backend", "sequential")
    assert ran.returncode == 0, ran.stderr
    assert results_of(site.parent / "runs" / "small")["failed"] == {}


def test_using_a_broken_plugin_exits_with_4(asdkit, spec, site):
    add(
        site,
        "plug_broken",
        GOOD.format(name="mine", module="plug_broken", more="").replace("return [", "return 3 or ["),
    )
    spec.write_text(spec.read_text().replace('use = "mean-spectrum"', 'use = "plug_broken"'))
    ran = asdkit("run", spec)
    assert ran.returncode == 4
    assert "dist-plug_broken 1.0 is broken" in ran.stderr
    assert "Update or uninstall dist-plug_broken" in ran.stderr
    assert "Traceback" not in ran.stderr
