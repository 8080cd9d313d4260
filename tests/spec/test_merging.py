"""How settings are merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asdkit.plugins import Registry
from asdkit.spec import RESERVED_NAMES, Top, load_spec
from tests.helpers.spec_plugins import BASE, Faults, Load

TWO = (
    BASE
    + """[augmenters.mix]
use = "mix"
[augmenters.slow]
use = "resample"
rates = [0.8]
[detectors.M]
use = "group-made"
augmenters = ["mix"]
pool = { top = 3 }
order = [[0, 1, 3, 4], [2]]
epochs = 7
[detectors.R]
extends = "M"
hidden = 9
[detectors.S]
extends = "R"
augmenters = []
order = [[0], [1, 2, 3, 4]]
[machines.valve.detectors.M]
augmenters = ["slow"]
epochs = 8
[systems.mean]
members = ["M", "R"]
fuser = { use = "z-score", combine = "mean" }
[systems.max]
extends = "mean"
fuser = { use = "z-score", combine = "max" }
"""
)


def test_defaults_come_from_core_plugin_then_spec(load: Load) -> None:
    spec = load(BASE + '[detectors.G]\nuse = "group-made"\n[detectors.C]\nuse = "id-classifier"\nhop = 4\n')
    plain, classifier = spec.detectors["G"], spec.detectors["C"]
    assert (plain.frames, plain.hop, plain.pool, plain.augmenters, plain.scope) == (5, 1, "mean", (), "machine")
    assert (classifier.frames, classifier.hop) == (64, 4)
    assert plain.featurizer.name == "logmel"
    assert plain.featurizer.store == "memory"
    assert (spec.name, spec.seed, spec.systems) == ("spec", 0, {})
    assert (spec.data.sample_rate, spec.data.channel, spec.data.machines) == (16000, "mean", None)
    assert (spec.data.on_bad_audio, spec.compute.workers, spec.compute.threads) == ("stop", 1, None)
    assert spec.compute.device == "auto"


def test_extends_copies_and_replaces_whole_values(load: Load) -> None:
    detectors = load(TWO).detectors
    assert [d.config.epochs for d in detectors.values()] == [7, 7, 7]
    assert [d.config.hidden for d in detectors.values()] == [128, 9, 9]
    assert [len(d.augmenters) for d in detectors.values()] == [1, 1, 0]
    assert detectors["S"].config.order == ((0,), (1, 2, 3, 4))
    assert detectors["S"].pool == Top(top=3)


def test_a_table_may_extend_a_later_one(load: Load) -> None:
    spec = load(BASE + '[detectors.A]\nextends = "B"\n[detectors.B]\nuse = "group-made"\nepochs = 3\n')
    assert list(spec.detectors) == ["A", "B"]
    assert spec.detectors["A"].config.epochs == 3


def test_an_override_changes_one_detector_of_one_machine(load: Load) -> None:
    spec = load(TWO)
    valve, fan = spec.detectors_for("valve"), spec.detectors_for("fan")
    assert [a.name for a in valve["M"].augmenters] == ["slow"]
    assert valve["M"].config.epochs == 8
    assert valve["R"] == fan["R"] == spec.detectors["R"]
    assert [a.name for a in fan["M"].augmenters] == ["mix"]
    assert list(valve) == list(fan) == ["M", "R", "S"] == list(spec.detector_names)
    assert spec.machine_names == ("valve",)


def test_set_is_applied_before_extends(load: Load) -> None:
    spec = load(TWO, "detectors.M.epochs=1", "machines.valve.detectors.M.hidden=5", 'systems.mean.members=["M", "S"]')
    assert [d.config.epochs for d in spec.detectors.values()] == [1, 1, 1]
    assert spec.detectors_for("valve")["M"].config.epochs == 8
    assert spec.detectors_for("valve")["M"].config.hidden == 5
    assert spec.systems["max"].members == ("M", "S")
    assert spec.text == TWO
    assert spec.sets[0] == "detectors.M.epochs=1"


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("plain text", "plain text"),
        ('"quoted"', "quoted"),
        ("'1'", "1"),
        ("a=b", "a=b"),
        ("", ""),
        ("x\nepochs = 3", "x\nepochs = 3"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_the_value_of_a_set_is_toml_or_text(load: Load, value: str, note: str) -> None:
    spec = load(BASE + '[detectors.G]\nuse = "group-made"\n', f"detectors.G.note={value}")
    assert spec.detectors["G"].config.note == note


def test_a_set_may_quote_keys_and_replace_tables(load: Load) -> None:
    spec = load(
        BASE + '[detectors."my = det"]\nuse = "group-made"\n[compute]\nworkers = 4\n',
        'detectors."my = det".epochs=3',
        "detectors.N.use=needy",
        "detectors.N.width=1",
        "detectors.N.width=2",
        "compute={threads = 3}",
        "data.root=elsewhere",
    )
    assert spec.detectors["my = det"].config.epochs == 3
    assert spec.detectors["N"].config.width == 2
    assert (spec.compute.workers, spec.compute.threads) == (1, 3)
    assert spec.data.root == Path("elsewhere").resolve()


INVALID_SETS = {
    "epochs": "expected KEY=VALUE, with a key such as detectors.M.epochs",
    "": "expected KEY=VALUE, with a key such as detectors.M.epochs",
    "=1": "expected KEY=VALUE, with a key such as detectors.M.epochs",
    "a b=1": "expected KEY=VALUE, with a key such as detectors.M.epochs",
    "a..b=1": "expected KEY=VALUE, with a key such as detectors.M.epochs",
    "[a]\nb=1": "expected KEY=VALUE, with a key such as detectors.M.epochs",
    "asdkit.x=1": "asdkit is not a table",
    "data.layout.x=1": "data.layout is not a table",
    "detectors.N.epochs=2": "detectors.N: the spec has no such table; expected one of: G",
    "a=" + "[" * 40 + "]" * 40: "nested deeper than 32 tables or lists",
    ".".join("a" * 40) + "=1": "expected KEY=VALUE, with a key such as detectors.M.epochs",
}


@pytest.mark.parametrize(("text", "expected"), INVALID_SETS.items())
def test_an_invalid_set_is_a_fault(faults: Faults, text: str, expected: str) -> None:
    option = json.dumps(text) if "\n" in text else text
    assert faults(BASE + '[detectors.G]\nuse = "group-made"\n', text) == [f"--set {option}: {expected}"]


def test_paths_are_relative_to_the_specs_folder(
    tmp_path: Path,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.toml").write_text(
        BASE.replace('"recordings"', '"../data/x"') + '[detectors.G]\nuse = "group-made"\n'
    )
    monkeypatch.chdir(tmp_path)
    spec = load_spec(Path("specs/a.toml"), registry=registry)
    assert spec.data.root == tmp_path.resolve() / "data" / "x"
    assert spec.name == "a"


def test_equal_settings_have_equal_canonical_forms(load: Load) -> None:
    spec = load(
        TWO
        + """[augmenters.blend]
use = "mix"
domain = "log"
[featurizers.again]
n_mels = 128
use = "log-mel"
store = "memmap"
[detectors.T]
order = [[0, 1, 3, 4], [2]]
hop = 1
frames = 5
augmenters = ["blend"]
featurizer = "again"
epochs = 7
pool = { top = 3 }
use = "group-made"
rate = 0.001
""",
        "detectors.M.featurizer=logmel",
    )
    detectors = spec.detectors
    one, other = (json.dumps(detectors[name].canonical(), sort_keys=True) for name in ("M", "T"))
    assert one == other
    assert detectors["R"].canonical() != detectors["M"].canonical()
    assert spec.detectors_for("valve")["M"].canonical() != detectors["M"].canonical()


@pytest.mark.parametrize(
    "change",
    ["hop=2", "frames=7", "pool=max", "scope=id", "epochs=8", "augmenters=[]", "featurizer={}", "order=causal"],
)
def test_each_effective_setting_changes_the_canonical_form(load: Load, change: str) -> None:
    text = TWO + '[featurizers.other]\nuse = "log-mel"\nn_mels = 64\n'
    sets = ["detectors.M.featurizer=logmel", "detectors.M.order=middle"]
    key = "featurizer=other" if change == "featurizer={}" else change
    before = load(text, *sets).detectors["M"].canonical()
    after = load(text, *sets, f"detectors.M.{key}").detectors["M"].canonical()
    assert [name for name in before if before[name] != after[name]] == [
        {"epochs": "config", "order": "config"}.get(change.split("=")[0], change.split("=")[0])
    ]


def test_hop_has_no_effect_if_windows_are_clips(load: Load) -> None:
    text = BASE + '[detectors.G]\nuse = "group-made"\nframes = "clip"\n'
    assert load(text).detectors["G"].canonical() == load(text + "hop = 9\n").detectors["G"].canonical()


def test_whole_numbers_are_accepted_as_decimals(load: Load) -> None:
    text = BASE + '[detectors.G]\nuse = "group-made"\nrate = '
    assert load(text + "1").detectors["G"].canonical() == load(text + "1.0").detectors["G"].canonical()


def test_an_extending_system_inherits_members(load: Load) -> None:
    systems = load(TWO).systems
    assert {name: system.members for name, system in systems.items()} == dict.fromkeys(("mean", "max"), ("M", "R"))
    fusers = [system.fuser.canonical() if system.fuser else None for system in systems.values()]
    assert fusers == [{"use": "z-score", "config": {"combine": combine}} for combine in ("mean", "max")]


def test_a_fuser_is_optional_for_one_member(load: Load) -> None:
    spec = load(TWO + '[systems.a]\nmembers = ["M"]\n[systems.b]\nmembers = ["M"]\nfuser = { use = "z-score" }\n')
    assert spec.systems["a"].fuser is None
    assert spec.systems["b"].fuser is not None


def test_overrides_of_absent_machines_are_allowed(load: Load) -> None:
    assert load(TWO, 'data.machines=["fan"]').machine_names == ("valve",)


def test_names_of_run_files_are_reserved() -> None:
    assert {"jobs", "plots", "scores.csv", "label"} <= RESERVED_NAMES
    assert all(name == name.casefold() for name in RESERVED_NAMES)
