"""Commands for those who write plugins, and for the editors of those who use them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from asdkit.api import NotFitted
from asdkit.cli.new_plugin import write_package
from asdkit.plugins import KINDS, discover
from asdkit.spec import load_spec
from tests.cli.test_commands import HEAVY
from tests.helpers.packages import install

TREE = Path(__file__).parents[2]
SPECS = sorted([*TREE.glob("specs/*.toml"), TREE / "asdkit" / "cli" / "demo.toml"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaffolded_plugin_passes_every_check_at_once_and_is_small(asdkit_command, tmp_path, kind):
    made = asdkit_command("new-plugin", kind, "my-own")
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "asdkit-my-own"
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"] == {"asdkit": {"my-own": "asdkit_my_own"}}
    source = (folder / "asdkit_my_own.py").read_text()
    assert len(source.splitlines()) <= 40
    assert len((folder / "pyproject.toml").read_text().splitlines()) <= 15
    install(tmp_path / "site", "asdkit-my-own", {"asdkit_my_own.py": source}, {"my-own": "asdkit_my_own"})
    checked = asdkit_command("check-plugin", "my-own")
    assert checked.returncode == 0, checked.stdout
    assert " 0 failed" in checked.stderr
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_asdkit_my_own.py"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert re.search(r"\d\d passed", tested.stdout)
    assert asdkit_command("plugins", "my-own").stdout.startswith(f"my-own: {kind} of asdkit-my-own 1.0, ok")


def test_new_plugin_prints_the_next_three_commands_and_they_are_commands_of_asdkit(asdkit_command):
    shown = asdkit_command("new-plugin", "detector", "my-own").stdout
    commands = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    assert commands == [
        "pip install -e asdkit-my-own",
        "asdkit check-plugin my-own",
        "asdkit demo --set detectors.my-own.use=my-own",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My_Idea", "lower case"),
        ("my idea", "lower case"),
        ("../up", "lower case"),
        ("true", "values in a spec"),
        ("nan", "values in a spec"),
        ("a" * 65, "64 characters at most"),
        ("a" * 300, "64 characters at most"),
        ("knn", "asdkit has a plugin called 'knn'"),
        ("log-mel", "asdkit has a plugin called 'log-mel'"),
        ("fusion", "a module called asdkit_fusion"),
        ("taken", "exists already"),
    ],
)
def test_new_plugin_refuses_names_that_are_not_valid_or_not_free(asdkit_command, tmp_path, name, words):
    (tmp_path / "asdkit-taken").mkdir()
    before = sorted(tmp_path.rglob("*"))
    ran = asdkit_command("new-plugin", "detector", name)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["none", "class", "print", "config", "entry", "stopped", "not-fitted", "np", "a" * 64])
def test_names_that_python_or_asdkit_have_already_make_working_packages(kind, name, tmp_path):
    folder = write_package(kind, name, tmp_path)
    (module,) = folder.glob("asdkit_*.py")
    made = {"__name__": module.stem}
    exec(compile(module.read_text(), module, "exec"), made)
    (entry,) = made[f"asdkit_{kind}s"]()
    assert entry.name == name
    plugin = entry.load()(entry.config())
    if kind == "detector":
        with pytest.raises(NotFitted):
            plugin.state()


def test_a_kind_that_there_is_not_is_refused(asdkit_command):
    assert asdkit_command("new-plugin", "classifier", "mine").returncode == 2


HEAVY_PLUGIN = """
import torch
from asdkit.api import Entry, hookimpl
from tests.mutants.sound import Detector, SoundConfig

class Config(SoundConfig):
    pass

@hookimpl
def asdkit_detectors():
    return [Entry("heavy", Config, "tests.mutants.sound:Detector", summary="Imports torch to be listed.")]
"""


def test_a_plugin_that_imports_torch_at_its_top_fails_its_check_with_the_seconds_it_cost(asdkit_command, tmp_path):
    install(tmp_path / "site", "asdkit-heavy", {"plug_heavy.py": HEAVY_PLUGIN}, {"heavy": "plug_heavy"})
    ran = asdkit_command("check-plugin", "heavy", PYTHONPATH=f"{tmp_path / 'site'}:{TREE}")
    assert ran.returncode == 4
    failed = [line for line in ran.stdout.splitlines() if line.startswith("failed")]
    assert len(failed) == 1
    assert re.search(r"registering_is_light .* imports torch \(\d+\.\d s\)", failed[0])


def test_check_plugin_takes_options_and_refuses_names_it_does_not_know(asdkit_command):
    assert asdkit_command("check-plugin", "z-score", "--set", "combine=max").returncode == 0
    wrong = asdkit_command("check-plugin", "z-score", "--set", "combine=product")
    assert wrong.returncode == 2
    assert "combine" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    unknown = asdkit_command("check-plugin", "z-scor")
    assert unknown.returncode == 2
    assert 'did you mean "z-score"' in unknown.stderr


def test_check_plugin_of_a_broken_one_says_what_is_wrong(asdkit_command, tmp_path):
    install(tmp_path / "site", "asdkit-broken", {"plug_broken.py": "import nothing_there"}, {"broken": "plug_broken"})
    ran = asdkit_command("check-plugin", "broken")
    assert ran.returncode == 4
    assert "No module named 'nothing_there'" in ran.stderr


def test_trace_shows_who_registered_what(asdkit_command, tmp_path):
    source = HEAVY_PLUGIN.replace("import torch\n", "")
    install(tmp_path / "site", "asdkit-light", {"plug_light.py": source}, {"light": "plug_light"})
    ran = asdkit_command("plugins", "--trace", PYTHONPATH=f"{tmp_path / 'site'}:{TREE}")
    rows = [re.split(r" {2,}", line.strip()) for line in ran.stdout.splitlines()]
    (own,) = [row for row in rows if row[0] == "asdkit-light 1.0"]
    assert own[1] == "plug_light"
    assert re.fullmatch(r"\d+ ms", own[2])
    assert own[3:] == ["detector heavy", "ok", "tests.mutants.sound:Detector"]


@pytest.mark.parametrize("plugin", [p for p in discover().plugins if p.distribution == "asdkit"], ids=lambda p: p.name)
def test_the_block_that_plugins_shows_can_be_pasted_into_a_spec(asdkit_command, tmp_path, plugin):
    shown = asdkit_command("plugins", plugin.name).stdout
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
    }[plugin.kind]
    (tmp_path / "spec.toml").write_text(f"{head}{rest}{block}")
    assert load_spec(tmp_path / "spec.toml")


@pytest.fixture(scope="module")
def validator():
    ran = subprocess.run([sys.executable, "-m", "asdkit", "schema"], capture_output=True, text=True, check=True)
    schema = json.loads(ran.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.name)
def test_specs_that_are_right_are_right_to_the_schema(validator, path):
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
def test_specs_that_are_wrong_are_wrong_to_the_schema(validator, change):
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
    pair: tuple[int | None, int] = Field((None, 3), description="TOML has no word for it")

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


def test_odd_options_and_defaults_neither_break_the_list_nor_the_schema(asdkit_command, tmp_path):
    install(tmp_path / "site", "asdkit-odd", {"plug_odd.py": ODD_PLUGIN}, {"odd": "plug_odd"})
    rows = [line for line in asdkit_command("plugins").stdout.splitlines() if "asdkit-odd" in line]
    assert [re.split(r" {2,}", row)[1:3] for row in rows] == [
        ["endless", "ok"], ["hidden", "ok"], ["mute", "broken"], ["odd", "broken"], ["odder", "broken"],
    ]  # fmt: skip
    shown = asdkit_command("plugins", "endless").stdout
    block = tomllib.loads(shown.partition("To paste into a spec:\n")[2])["detectors"]["endless"]
    assert block["limit"] == float("inf")
    assert block["unknown"] != block["unknown"]
    assert "pair" not in block
    assert re.search("^limit .* two lines$", shown, re.MULTILINE)
    hidden = asdkit_command("plugins", "hidden")
    assert hidden.returncode == 0
    assert "no JSON Schema" in hidden.stdout
    for name in ("odd", "odder", "mute"):
        assert asdkit_command("plugins", name).returncode == 0
    schema = asdkit_command("schema")
    assert schema.returncode == 0, schema.stderr
    refuse = lambda word: pytest.fail(f"{word} is no JSON")  # noqa: E731
    tables = json.loads(schema.stdout, parse_constant=refuse)["properties"]["detectors"]["additionalProperties"]
    titles = {table["title"] for table in tables["anyOf"]}
    assert {"detector endless", "detector hidden"} <= titles
    assert "detector odd" not in titles


def test_an_environment_that_loads_no_plugin_says_so(asdkit_command):
    for value in ("", " , "):
        ran = asdkit_command("plugins", ASDKIT_PLUGINS=value)
        assert ran.returncode == 2
        assert "no plugin is loaded" in ran.stderr
        assert "ASDKIT_PLUGINS is set: only plugins of no distribution are loaded" in ran.stderr


def test_check_plugin_asks_the_options_themselves_before_it_fits(asdkit_command):
    ran = asdkit_command("check-plugin", "autoencoder", "--set", "frames=clip")
    assert ran.returncode == 2
    assert "a network needs a number of frames" in ran.stderr


def test_the_schema_holds_the_options_of_an_installed_plugin(asdkit_command, tmp_path):
    source = (TREE / "examples" / "asdkit-spectrum" / "asdkit_spectrum.py").read_text()
    install(tmp_path / "site", "asdkit-spectrum", {"asdkit_spectrum.py": source}, {"spectrum": "asdkit_spectrum"})
    schema = json.loads(asdkit_command("schema").stdout)
    tables = schema["properties"]["detectors"]["additionalProperties"]["anyOf"]
    (own,) = [table for table in tables if table["properties"]["use"] and table["title"] == "detector spectrum"]
    assert own["properties"]["order"]["description"] == "exponent of the distance in each band"
    assert own["properties"]["order"]["maximum"] == 8
    assert own["properties"]["frames"]["default"] == 5


@pytest.mark.parametrize("arguments", [["schema"], ["plugins", "--trace"], ["new-plugin", "detector", "my-own"]])
def test_these_commands_import_nothing_heavy(arguments, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", HEAVY, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[-1] == "heavy: "


@pytest.mark.parametrize("example", sorted((TREE / "examples").iterdir()), ids=lambda p: p.name)
def test_an_example_package_has_at_most_15_lines_of_pyproject(example):
    lines = (example / "pyproject.toml").read_text().splitlines()
    assert len(lines) <= 15
    assert tomllib.loads("\n".join(lines))["project"]["name"] == example.name


def test_a_whole_detector_plugin_is_at_most_40_lines():
    assert len((TREE / "examples" / "asdkit-spectrum" / "asdkit_spectrum.py").read_text().splitlines()) <= 40
