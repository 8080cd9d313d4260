"""``new-plugin``, ``check-plugin``, ``plugins`` and ``schema``."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from asdkit.api import NotFitted
from asdkit.cli.new_plugin import write_package
from asdkit.errors import SpecError
from asdkit.plugins import KINDS, discover
from asdkit.spec import load_spec
from tests.helpers.cli import cli_in
from tests.helpers.commands import command_in
from tests.helpers.packages import install, install_tree
from tests.mutants import sound

TREE = Path(__file__).parents[2]
SPECS = sorted([*TREE.glob("specs/*.toml"), TREE / "plugins" / "asdkit_demo" / "demo.toml"])


@pytest.fixture(scope="module")
def scaffolds(tmp_path_factory) -> Path:
    """A folder with a new plugin of each kind, all installed."""
    folder = tmp_path_factory.mktemp("scaffolds")
    for kind in KINDS:
        written = cli_in(folder)("new-plugin", kind, f"my-{kind}")
        assert written.returncode == 0, written.stderr
        install_tree(folder / "site", folder / f"asdkit-my-{kind}")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_small_and_passes_its_checks(scaffolds, kind):
    folder = scaffolds / f"asdkit-my-{kind}"
    pyproject = (folder / "pyproject.toml").read_text()
    assert tomllib.loads(pyproject)["project"]["entry-points"] == {"asdkit": {f"my-{kind}": f"asdkit_my_{kind}"}}
    assert len(pyproject.splitlines()) <= 25
    assert sum(len(path.read_text().splitlines()) for path in folder.glob(f"asdkit_my_{kind}/*.py")) <= 50
    asdkit = cli_in(scaffolds)
    checked = asdkit("check-plugin", f"my-{kind}")
    assert checked.returncode == 0, checked.stdout
    assert " 0 failed" in checked.stderr
    shown = asdkit("plugins", f"my-{kind}").stdout
    assert shown.startswith(f"my-{kind}: {kind} of asdkit-my-{kind} 1.0, ok")
    package = scaffolds / "site" / f"asdkit_my_{kind}"
    assert f"registered by asdkit_my_{kind}, {package / '__init__.py'}\n" in shown
    assert f", {package / f'{kind}.py'}; plugin API " in shown


def test_the_tests_of_new_plugins_pass(scaffolds):
    files = [f"asdkit-my-{kind}/tests/test_asdkit_my_{kind}.py" for kind in KINDS]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=scaffolds, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{scaffolds / 'site'}:{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 10 * len(KINDS)


def test_a_built_plugin_is_checked_with_what_its_wheel_contains(scaffolds, tmp_path):
    """A second module is in the wheel; one beside the package is not, although the source can be imported here."""
    folder = shutil.copytree(scaffolds / "asdkit-my-fuser", tmp_path / "asdkit-my-fuser")
    package = folder / "asdkit_my_fuser"
    (package / "weights.py").write_text("from asdkit_outside import ONE\n")
    fuser = package / "fuser.py"
    fuser.write_text(fuser.read_text().replace("import numpy", "import asdkit_my_fuser.weights\nimport numpy"))
    (folder / "asdkit_outside.py").write_text("ONE = 1\n")
    run = command_in(tmp_path)
    lacking = run("check-plugin", "my-fuser", "--built", folder, PYTHONPATH=f"{folder}:{TREE}")
    assert lacking.returncode == 4, lacking.stderr
    assert "No module named 'asdkit_outside': the wheel does not contain it" in lacking.stdout
    assert "weights.py:1" in lacking.stdout
    (package / "weights.py").write_text("ONE = 1\n")
    whole = run("check-plugin", "my-fuser", "--built", folder, PYTHONPATH=f"{folder}:{TREE}")
    assert whole.returncode == 0, whole.stdout
    assert " 0 failed" in whole.stderr


def test_what_is_no_package_is_not_built(asdkit, tmp_path):
    absent = asdkit("check-plugin", "my-fuser", "--built", "absent")
    assert (absent.returncode, "absent/pyproject.toml: No such file" in absent.stderr) == (2, True)
    (tmp_path / "pyproject.toml").write_text("[build-system")
    assert "not valid" in asdkit("check-plugin", "my-fuser", "--built", ".").stderr


def test_new_plugin_prints_the_next_three_commands(asdkit):
    shown = asdkit("new-plugin", "detector", "my-own").stdout
    commands = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    assert commands == [
        "pip install -e asdkit-my-own",
        "asdkit check-plugin my-own",
        "asdkit demo --set detectors.my-own.use=my-own --set detectors.my-own.featurizer=logmel",
    ]


@pytest.mark.parametrize("kind", ["detector", "featurizer", "augmenter", "fuser"])
def test_the_printed_demo_command_fits_the_demo(scaffolds, monkeypatch, kind):
    monkeypatch.syspath_prepend(scaffolds / "site")
    words = shlex.split(
        (scaffolds / f"asdkit-my-{kind}" / "README.md").read_text().partition("asdkit demo ")[2].partition("\n")[0]
    )
    sets = [value for option, value in pairwise(words) if option == "--set"]
    spec = load_spec(TREE / "plugins" / "asdkit_demo" / "demo.toml", sets=sets)
    assert f"my-{kind}" in repr(spec)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My_Idea", "lower case"),
        ("my idea", "lower case"),
        ("../up", "lower case"),
        ("true", "values in a spec"),
        ("nan", "values in a spec"),
        ("a" * 65, "at most 64 characters"),
        ("a" * 300, "at most 64 characters"),
        ("knn", "asdkit has a plugin called 'knn'"),
        ("log-mel", "asdkit has a plugin called 'log-mel'"),
        ("fusion", "a module called asdkit_fusion"),
        ("taken", "exists already"),
    ],
)
def test_new_plugin_refuses_invalid_and_used_names(asdkit, tmp_path, name, words):
    (tmp_path / "asdkit-taken").mkdir()
    before = sorted(tmp_path.rglob("*"))
    ran = asdkit("new-plugin", "detector", name)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["none", "class", "print", "config", "entry", "stopped", "not-fitted", "np", "a" * 64])
def test_names_of_python_and_asdkit_make_working_packages(kind, name, tmp_path, monkeypatch):
    folder = write_package(kind, name, tmp_path)
    (package,) = folder.glob("asdkit_*")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    module = importlib.import_module(package.name)
    (entry,) = getattr(module, f"asdkit_{kind}s")()
    assert entry.name == name
    plugin = entry.load()(entry.config())
    if kind == "detector":
        with pytest.raises(NotFitted):
            plugin.state()


def test_new_plugin_refuses_an_unknown_kind(asdkit):
    assert asdkit("new-plugin", "classifier", "mine").returncode == 2


LIGHT_PLUGIN = """
from asdkit.api import Entry, hookimpl
from tests.mutants.sound import SoundConfig

class Config(SoundConfig):
    pass

@hookimpl
def asdkit_detectors():
    return [Entry("light", Config, "tests.mutants.sound:Detector", summary="A detector.")]
"""


def test_check_plugin_fails_a_heavy_import(asdkit_command, tmp_path):
    modules = {"plug_heavy.py": f"import sklearn\n{LIGHT_PLUGIN}", "sklearn.py": "import time\ntime.sleep(0.1)\n"}
    install(tmp_path / "site", "asdkit-heavy", modules, {"light": "plug_heavy"})
    ran = asdkit_command("check-plugin", "light", PYTHONPATH=f"{tmp_path / 'site'}:{TREE}:{TREE / 'plugins'}")
    assert ran.returncode == 4
    failed = [line for line in ran.stdout.splitlines() if line.startswith("failed")]
    assert len(failed) == 1
    assert re.search(r"registering_is_light .* imports sklearn \(\d+\.\d s\)", failed[0])


def test_check_plugin_takes_options_and_known_names(asdkit):
    assert asdkit("check-plugin", "z-score", "--set", "combine=max").returncode == 0
    wrong = asdkit("check-plugin", "z-score", "--set", "combine=product")
    assert wrong.returncode == 2
    assert "combine" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    unknown = asdkit("check-plugin", "z-scor")
    assert unknown.returncode == 2
    assert 'did you mean "z-score"' in unknown.stderr


def test_check_plugin_takes_expected_failures_with_a_reason(asdkit, tmp_path):
    source = LIGHT_PLUGIN.replace("sound:Detector", "detectors:Similarity")
    install(tmp_path / "site", "asdkit-light", {"plug_light.py": source}, {"light": "plug_light"})
    failed = asdkit("check-plugin", "light")
    assert failed.returncode == 4
    first = failed.stdout.splitlines()[2]
    line = inspect.getsourcelines(sound.Detector.score)[1]
    assert re.match(r"failed +faults_score_higher +18 fitted, 96 scored +AUC 0.00", first)
    assert first.endswith(f"sound.py:{line} (score)]")
    assert "\nskipped 1: it does not find the planted fault" in failed.stdout
    expected = asdkit("check-plugin", "light", "--expect-failure", "faults_score_higher=it measures likeness")
    assert (expected.returncode, "1 expected" in expected.stderr) == (0, True)
    assert re.search("expected +faults_score_higher .* it measures likeness", expected.stdout)
    for wrong, words in (("faults_score_higher", "expected CHECK=REASON"), ("faults_score=x", "did you mean")):
        refused = asdkit("check-plugin", "light", "--expect-failure", wrong)
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr


def test_check_plugin_names_the_cause_of_a_broken_plugin(asdkit, tmp_path):
    install(tmp_path / "site", "asdkit-broken", {"plug_broken.py": "import nothing_there"}, {"broken": "plug_broken"})
    ran = asdkit("check-plugin", "broken")
    assert ran.returncode == 4
    assert "No module named 'nothing_there'" in ran.stderr


def test_check_plugin_validates_options_before_it_fits(asdkit):
    ran = asdkit("check-plugin", "autoencoder", "--set", "frames=clip")
    assert ran.returncode == 2
    assert "a network needs a number of frames" in ran.stderr


def test_trace_shows_modules_and_classes(asdkit, tmp_path):
    install(tmp_path / "site", "asdkit-light", {"plug_light.py": LIGHT_PLUGIN}, {"light": "plug_light"})
    rows = [re.split(r" {2,}", line.strip()) for line in asdkit("plugins", "--trace").stdout.splitlines()]
    (own,) = [row for row in rows if row[0] == "asdkit-light 1.0"]
    assert own[1] == "plug_light"
    assert re.fullmatch(r"\d+ ms", own[2])
    assert own[3:] == ["detector light", "ok", "tests.mutants.sound:Detector"]


@pytest.mark.parametrize(
    "plugin", [p for p in discover().plugins if p.distribution == "asdkit" and p.entry], ids=lambda p: p.name
)
def test_the_printed_block_is_valid_in_a_spec(asdkit, tmp_path, plugin):
    shown = asdkit("plugins", plugin.name).stdout
    assert plugin.entry.summary in shown
    for option, field in plugin.entry.config.model_fields.items():
        assert re.search(rf"^{option} .*{re.escape(field.description)}$", shown, re.MULTILINE)
    block = shown.partition("To paste into a spec:\n")[2].replace("[...]", '["D", "E"]')
    head = 'asdkit = 1\n[data]\nlayout = "folder"\nroot = "."\n'
    rest = {
        "featurizer": '[detectors.D]\nuse = "knn"\n',
        "augmenter": '[featurizers.f]\nuse = "log-mel"\n[detectors.D]\nuse = "knn"\n',
        "detector": '[featurizers.f]\nuse = "log-mel"\n',
        "fuser": '[featurizers.f]\nuse = "log-mel"\n[detectors.D]\nuse = "knn"\n[detectors.E]\nuse = "gmm"\n',
        "layout": '[featurizers.f]\nuse = "log-mel"\n[detectors.D]\nuse = "knn"\n',
    }[plugin.kind]
    head = "asdkit = 1\n" if plugin.kind == "layout" else head
    (tmp_path / "spec.toml").write_text(f"{head}{rest}{block}")
    needed = [option for option, field in plugin.entry.config.model_fields.items() if field.is_required()]
    if needed:  # a file, which the block leaves to the user
        with pytest.raises(SpecError, match=rf"\.{needed[0]}: missing"):
            load_spec(tmp_path / "spec.toml")
    else:
        assert load_spec(tmp_path / "spec.toml")


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    schema = json.loads(cli_in(tmp_path_factory.mktemp("schema"))("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.name)
def test_valid_specs_fit_the_schema(validator, path):
    assert [e.message for e in validator.iter_errors(tomllib.loads(path.read_text()))] == []


@pytest.mark.parametrize(
    "change",
    [
        'detectors.G = { use = "group-made", componnets = 3 }',
        'detectors.G = { use = "group-made", components = "3" }',
        'detectors.G = { use = "group-mad" }',
        'detectors.G = { use = "group-made", hop = 0 }',
        'featurizers.f = { use = "log-mel", n_fft = 3.5 }',
        'systems.s = { members = ["G"], fuser = { use = "z-score", combine = "product" } }',
        'data = { layout = "dcase2020" }',
        "colour = 3",
    ],
)
def test_invalid_specs_violate_the_schema(validator, change):
    spec = {
        "asdkit": 1,
        "data": {"layout": "folder", "root": "."},
        "featurizers": {"f": {"use": "log-mel"}},
        "detectors": {"G": {"use": "group-made", "components": 3}, "H": {"extends": "G", "hop": 2}},
    }
    assert list(validator.iter_errors(spec)) == []
    for key, value in tomllib.loads(change).items():
        spec[key] = {**spec.get(key, {}), **value} if key in ("detectors", "featurizers", "systems") else value
    assert list(validator.iter_errors(spec))


ODD_PLUGIN = """
from collections.abc import Callable
from asdkit.api import DetectorConfig, Entry, Field, hookimpl

class Endless(DetectorConfig):
    limit: float = Field(float("inf"), le=float("inf"), description="two\\nlines")
    unknown: float = Field(float("nan"), description="nan")
    pair: tuple[int | None, int] = Field((None, 3), description="TOML has no null")

class Hidden(DetectorConfig):
    hidden: Callable[[], int] | None = Field(None, description="no schema")

@hookimpl
def asdkit_detectors():
    target = "tests.mutants.sound:Detector"
    return [
        Entry("endless", Endless, target, summary="first\\nsecond line"),
        Entry("hidden", Hidden, target, summary="Hidden."),
        Entry("odd", DetectorConfig, target, defaults={"frames": {1, 2}}),
        Entry("odder", DetectorConfig, target, defaults={5: 5}),
        Entry("mute", DetectorConfig, target, summary=5),
    ]
"""


def test_odd_options_break_neither_list_nor_schema(asdkit, tmp_path):
    install(tmp_path / "site", "asdkit-odd", {"plug_odd.py": ODD_PLUGIN}, {"odd": "plug_odd"})
    rows = [line for line in asdkit("plugins").stdout.splitlines() if "asdkit-odd" in line]
    assert [re.split(r" {2,}", row)[1:3] for row in rows] == [
        ["endless", "ok"], ["hidden", "ok"], ["mute", "broken"], ["odd", "broken"], ["odder", "broken"],
    ]  # fmt: skip
    shown = asdkit("plugins", "endless").stdout
    block = tomllib.loads(shown.partition("To paste into a spec:\n")[2])["detectors"]["endless"]
    assert block["limit"] == float("inf")
    assert block["unknown"] != block["unknown"]
    assert "pair" not in block
    assert re.search("^limit .* two lines$", shown, re.MULTILINE)
    hidden = asdkit("plugins", "hidden")
    assert hidden.returncode == 0
    assert "no JSON Schema" in hidden.stdout
    for name in ("odd", "odder", "mute"):
        assert asdkit("plugins", name).returncode == 0
    schema = asdkit("schema")
    assert schema.returncode == 0, schema.stderr
    refuse = lambda word: pytest.fail(f"{word} is no JSON")  # noqa: E731
    tables = json.loads(schema.stdout, parse_constant=refuse)["properties"]["detectors"]["additionalProperties"]
    titles = {table["title"] for table in tables["anyOf"]}
    assert {"detector endless", "detector hidden"} <= titles
    assert "detector odd" not in titles


@pytest.mark.parametrize("value", ["", " , "])
def test_plugins_says_why_none_is_loaded(asdkit, value):
    ran = asdkit("plugins", ASDKIT_PLUGINS=value)
    assert ran.returncode == 2
    assert "no plugin is loaded" in ran.stderr
    assert "ASDKIT_PLUGINS is set: only plugins of no distribution are loaded" in ran.stderr


def test_the_schema_has_options_of_installed_plugins(asdkit, tmp_path):
    source = (TREE / "examples" / "asdkit-mean-spectrum" / "asdkit_mean_spectrum.py").read_text()
    install(
        tmp_path / "site",
        "asdkit-mean-spectrum",
        {"asdkit_mean_spectrum.py": source},
        {"mean-spectrum": "asdkit_mean_spectrum"},
    )
    schema = json.loads(asdkit("schema").stdout)
    tables = schema["properties"]["detectors"]["additionalProperties"]["anyOf"]
    (own,) = [table for table in tables if table["properties"]["use"] and table["title"] == "detector mean-spectrum"]
    assert own["properties"]["order"]["description"] == "exponent of the distance in each band"
    assert own["properties"]["order"]["maximum"] == 8
    assert own["properties"]["frames"]["default"] == 5


@pytest.mark.parametrize("example", sorted((TREE / "examples").iterdir()), ids=lambda p: p.name)
def test_an_example_is_small_and_complete(example):
    lines = (example / "pyproject.toml").read_text().splitlines()
    assert len(lines) <= 20
    assert tomllib.loads("\n".join(lines))["project"]["name"] == example.name
    package = [path.read_text() for path in example.rglob("*.py") if path.parent.name != "tests"]
    most = 120 if example.name == "asdkit-pyod" else 80
    assert sum(bool(line.strip()) for text in package for line in text.splitlines()) < most


def test_the_example_detector_has_at_most_40_lines():
    assert len((TREE / "examples" / "asdkit-mean-spectrum" / "asdkit_mean_spectrum.py").read_text().splitlines()) <= 40


MISBEHAVING = """
import os, time
from asdkit.api import Config, Entry, hookimpl
HOW = os.environ.get("HOW")

class Fuser:
    def __init__(self, config):
        pass
    def fit(self, scores, ids):
        if HOW == "exit":
            raise SystemExit(0)
        if HOW == "abort":
            os.abort()
        if HOW == "leave":
            os._exit(0)
        if HOW == "sleep":
            time.sleep(1000)
    def fuse(self, scores, ids):
        return scores.mean(axis=1)
    def state(self):
        return {}
    def load(self, state):
        pass

@hookimpl
def asdkit_fusers():
    return [Entry("odd", Config, Fuser)]
"""


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("exit", "SystemExit: 0"),
        ("abort", r"ended the process \(signal 6\)"),
        ("leave", r"ended the process \(exit code 0\)"),
        ("sleep", r"took more than 3 s \(--timeout\)"),
    ],
)
def test_a_plugin_that_ends_or_hangs_is_reported(tmp_path, monkeypatch, how, reason):
    install(tmp_path / "site", "asdkit-odd", {"asdkit_odd.py": MISBEHAVING}, {"odd": "asdkit_odd"})
    monkeypatch.setenv("HOW", how)
    checked = cli_in(tmp_path)("check-plugin", "odd", "--timeout", "3" if how == "sleep" else "60")
    assert checked.returncode == 4, checked.stderr
    assert re.search(f"failed.*{reason}", " ".join(checked.stdout.split()))
    assert " failed" in checked.stderr
