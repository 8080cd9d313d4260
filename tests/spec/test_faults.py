"""Each kind of fault: its location and its message."""

from __future__ import annotations

import pytest

from asdkit.errors import ExitCode, PluginError, SpecError
from tests.helpers.spec_plugins import BASE, Faults, Load

G = '[detectors.G]\nuse = "group-made"\n'  # lines 7 and 8 of BASE + G
MADE = (
    "hidden, order, epochs, rate, power, shuffle, note, featurizer, frames, hop, pool, augmenters, scope, use, extends"
)
DETECTORS = "fragile, group-made, id-classifier, misled, needy"

DETECTOR_FAULTS = {
    "hiden = 5": 'hiden: unknown option; did you mean "hidden"?',
    "zzz = 5": f"zzz: unknown option; expected one of: {MADE}",
    'epochs = "5"': 'epochs: "5" is a text; expected a whole number',
    "epochs = 5.0": "epochs: 5.0 is a decimal number; expected a whole number",
    "epochs = true": "epochs: true is a truth value; expected a whole number",
    "epochs = [5]": "epochs: [5] is a list; expected a whole number",
    "epochs = { x = 5 }": "epochs: this is a table; expected a whole number",
    "epochs = 0": "epochs: 0 is out of bounds; expected at least 1",
    "hidden = 5000": "hidden: 5000 is out of bounds; expected at most 4096",
    "rate = 0.0": "rate: 0.0 is out of bounds; expected more than 0",
    "rate = nan": "rate: nan is not a finite number",
    "rate = -inf": "rate: -inf is not a finite number",
    "power = true": "power: true is a truth value; expected 1",
    "power = 2.0": "power: 2.0 is a decimal number; expected 2",
    "power = 3": "power: 3 is not possible; expected 1 or 2",
    "shuffle = 1": "shuffle: 1 is a whole number; expected true or false",
    "note = 1979-05-27": "note: 1979-05-27 is a date or time; no setting is (a text needs quotes)",
    'order = "midle"': 'order: "midle" is not possible; expected "middle", "causal" or a list; did you mean "middle"?',
    "order = 3": 'order: 3 is not possible; expected "middle", "causal" or a list',
    'order = [[0], [1, "2"]]': 'order[1][1]: "2" is a text; expected a whole number',
    "order = [1]": "order[0]: 1 is a whole number; expected a list",
    "frames = 4": "order: an even number of frames (4) has no middle",
    "frames = 0": "frames: 0 is out of bounds; expected at least 1",
    'frames = "clips"': 'frames: "clips" is not possible; expected "clip" or a whole number; did you mean "clip"?',
    "hop = 0": "hop: 0 is out of bounds; expected at least 1",
    'pool = "meen"': 'pool: "meen" is not possible; expected "mean", "max" or a table; did you mean "mean"?',
    "pool = { top = 0 }": "pool.top: 0 is out of bounds; expected at least 1",
    "pool = {}": "pool.top: missing; expected the number of highest window scores",
    'scope = "ids"': 'scope: "ids" is not possible; expected "machine" or "id"; did you mean "id"?',
    'featurizer = "logmal"': 'featurizer: "logmal" is not a featurizer; did you mean "logmel"?',
    "featurizer = 1": "featurizer: 1 is a whole number; expected a text in quotes",
    'augmenters = ["mx"]': 'augmenters[0]: "mx" is not an augmenter; expected a table under [augmenters]',
    'augmenters = "mx"': 'augmenters: "mx" is a text; expected a list',
    'extends = "H"': 'extends: there is no table "H" here',
    "extends = 1": "extends: 1 is a whole number; expected the name of a table beside it",
    'extends = "G"': "extends: circular: G -> G",
}


@pytest.mark.parametrize(("line", "fault"), DETECTOR_FAULTS.items(), ids=DETECTOR_FAULTS)
def test_a_detector_fault_has_line_key_and_reason(faults: Faults, line: str, fault: str) -> None:
    number = 7 if line == "frames = 4" else 10
    assert faults(f"{BASE}{G}\n{line}\n") == [f"spec.toml:{number}: detectors.G.{fault}"]


@pytest.mark.parametrize("line", DETECTOR_FAULTS)
def test_a_fault_of_a_set_is_located_there(faults: Faults, line: str) -> None:
    setting = f"detectors.G.{line.replace(' = ', '=', 1)}"
    expected = f"detectors.G.{DETECTOR_FAULTS[line]}"
    location = "spec.toml:7" if line == "frames = 4" else f"--set {setting}"
    assert faults(BASE + G, setting) == [f"{location}: {expected}"]


OTHER_FAULTS = {
    "": ["spec.toml:1: detectors: missing; expected a table for each detector, such as [detectors.M]"],
    "[detectors.N]": [f"spec.toml:7: detectors.N.use: missing; expected one of: {DETECTORS}"],
    "[detectors.N]\nuse = 3": ["spec.toml:8: detectors.N.use: 3 is a whole number; expected the name of a detector"],
    '[detectors.N]\nuse = "groupmade"': [
        'spec.toml:8: detectors.N.use: no plugin provides the detector "groupmade"; did you mean "group-made"? '
        "(not loaded: asdkit-rotten; see `asdkit plugins`)"
    ],
    '[detectors.N]\nuse = "z-score"': [
        'spec.toml:8: detectors.N.use: "z-score" is the name of a fuser, not of a detector; '
        f"expected one of: {DETECTORS}"
    ],
    '[detectors.N]\nuse = "needy"': ["spec.toml:7: detectors.N.width: missing; expected a width"],
    '[detectors.N]\nuse = "id-classifier"\nlayers = [\n  { wdth = 2 },\n  3,\n]': [
        "spec.toml:10: detectors.N.layers[0].width: missing; expected units of the layer",
        'spec.toml:10: detectors.N.layers[0].wdth: unknown option; did you mean "width"?',
        "spec.toml:11: detectors.N.layers[1]: 3 is a whole number; expected a table",
    ],
    G + "detectors.x = 3": [f"spec.toml:9: detectors.G.detectors: unknown option; expected one of: {MADE}"],
    "[detectors]\nG = 3": ["spec.toml:8: detectors.G: 3 is a whole number; expected a table"],
    "[[detectors]]": ["spec.toml:7: detectors: [{}] is a list; expected tables, such as [detectors.M]"],
    G + 'featurizer = "logmel"\n[featurizers.other]': [
        "spec.toml:10: featurizers.other.use: missing; expected one of: log-mel"
    ],
    G + '[featurizers.other]\nuse = "log-mel"': [
        "spec.toml:7: detectors.G.featurizer: missing; expected one of: logmel, other"
    ],
    G + '[augmenters.a]\nuse = "mix"\nprobability = 1.5': [
        "spec.toml:11: augmenters.a.probability: 1.5 is out of bounds; expected at most 1"
    ],
    '[augmenters.a]\nuse = "mix"\nprobability = 0.6\n[augmenters.b]\nextends = "a"\n' + G + 'augmenters = ["a", "b"]': [
        "spec.toml:14: detectors.G.augmenters: their probabilities add up to 1.2; expected at most 1"
    ],
    '[augmenters.a]\nuse = "mix"\n' + G + 'augmenters = ["a", "a", "c"]': [
        'spec.toml:11: detectors.G.augmenters[1]: "a" is listed twice',
        'spec.toml:11: detectors.G.augmenters[2]: "c" is not an augmenter; expected one of: a',
    ],
    G + "[systems.s]": [
        "spec.toml:9: systems.s.members: missing; expected the detectors whose clip scores it combines"
    ],
    G + "[systems.s]\nmembers = []": [
        "spec.toml:10: systems.s.members: [] is out of bounds; expected a list of at least 1"
    ],
    G + '[systems.s]\nmembers = ["g"]': [
        'spec.toml:10: systems.s.members[0]: "g" is not a detector; expected one of: G'
    ],
    G + '[systems.s]\nmembers = ["G"]\n[systems.t]\nmembers = ["s"]': [
        'spec.toml:12: systems.t.members[0]: "s" is a system; members are detectors; expected one of: G'
    ],
    G + '[detectors.H]\nextends = "G"\n[systems.s]\nmembers = ["G", "H"]': [
        "spec.toml:11: systems.s: several members need a fuser, as in fuser = { use = ... }; expected one of: z-score"
    ],
    G + '[systems.s]\nmembers = ["G"]\nfuser = "z-score"': [
        'spec.toml:11: systems.s.fuser: "z-score" is a text; expected a table, as in { use = ... }'
    ],
    G + '[systems.s]\nmembers = ["G"]\nfuser = { use = "z-score", combin = "max" }': [
        'spec.toml:11: systems.s.fuser.combin: unknown option; did you mean "combine"?'
    ],
    G + '[systems.s]\nmembers = ["G"]\nfuser = { combine = "max" }': [
        "spec.toml:11: systems.s.fuser.use: missing; expected one of: z-score"
    ],
    G + '[systems.G]\nmembers = ["G"]': ["spec.toml:9: systems.G: a detector has this name too; expected another"],
    G + '[systems.one]\nmembers = ["G"]\n[systems.One]\nmembers = ["G"]': [
        'spec.toml:11: systems.One: differs from "one" only in upper and lower case; both name a folder'
    ],
    G + '[machines.fan.detectors.g]\nhidden = 1\n[machines.fan.data]\nroot = "x"': [
        'spec.toml:9: machines.fan.detectors.g: there is no detector "g"; expected one of: G',
        "spec.toml:11: machines.fan.data: only detectors can be changed for one machine; expected one of: detectors",
    ],
    G + '[machines.fan.detectors.G]\nhidden = 0\nextends = "G"': [
        "spec.toml:10: machines.fan.detectors.G.hidden: 0 is out of bounds; expected at least 1",
        "spec.toml:11: machines.fan.detectors.G.extends: not possible for one machine; expected the keys that change",
    ],
    G + "[machines]\nfan = 3\npump.detectors = 4\nvalve.detectors.G = 5": [
        "spec.toml:10: machines.fan: 3 is a whole number; expected a table",
        "spec.toml:11: machines.pump.detectors: 4 is a whole number; expected tables, such as [detectors.M]",
        "spec.toml:12: machines.valve.detectors.G: 5 is a whole number; expected a table",
    ],
    G + "[machine.fan]": ['spec.toml:9: machine: unknown option; did you mean "machines"?'],
    G + '[compute]\nworkers = 0\nthreads = 0.5\ndevice = "gpu"': [
        "spec.toml:10: compute.workers: 0 is out of bounds; expected at least 1",
        "spec.toml:11: compute.threads: 0.5 is a decimal number; expected a whole number",
        'spec.toml:12: compute.device: "gpu" is not a device; expected "auto", "cpu", "cuda" or one such as "cuda:0"',
    ],
}


@pytest.mark.parametrize(("text", "expected"), OTHER_FAULTS.items(), ids=OTHER_FAULTS)
def test_a_fault_in_another_table_has_its_line(faults: Faults, text: str, expected: list[str]) -> None:
    assert faults(BASE + text) == expected


FOLDER = 'layout = "folder"\n'  # line 7
NO_FOLDER = 'a name becomes a folder, so it may not contain control characters or any of / \\ : * ? " < > |'
DATA_FAULTS = {
    'root = "r"': "6: data.layout: missing; expected the layout of the data",
    'root = "r"\nlayout = "dcase"': '8: data.layout: no plugin provides the layout "dcase"; did you mean "dcase2026"? '
    "(not loaded: asdkit-rotten; see `asdkit plugins`)",
    FOLDER: "6: data.root: missing; expected the folder of the recordings, relative to the spec's folder",
    FOLDER + "root = 3": "8: data.root: 3 is a whole number; expected a text in quotes",
    FOLDER + 'root = ""': '8: data.root: "" cannot be a folder',
    FOLDER + 'root = "a\\u0000b"': '8: data.root: "a\\u0000b" cannot be a folder',
    FOLDER + 'root = "r"\nchannel = -1': "9: data.channel: -1 is out of bounds; expected at least 0",
    FOLDER + 'root = "r"\nchannel = "a"': (
        '9: data.channel: "a" is not possible; expected "mean", "far-subtract" or a whole number'
    ),
    FOLDER + 'root = "r"\nsample_rate = 9': "9: data.sample_rate: 9 is out of bounds; expected at least 1000",
    FOLDER + 'root = "r"\nmachines = []': "9: data.machines: [] is out of bounds; expected a list of at least 1",
    FOLDER + 'root = "r"\nmachines = ["fan", "fan"]': '9: data.machines: "fan" is listed twice',
    FOLDER + 'root = "r"\nmachines = ["../fan"]': f'9: data.machines: "../fan": {NO_FOLDER}',
    FOLDER + 'root = "r"\non_bad_audio = "x"': '9: data.on_bad_audio: "x" is not possible; expected "stop" or "skip"',
}


@pytest.mark.parametrize(("text", "expected"), DATA_FAULTS.items(), ids=DATA_FAULTS)
def test_a_data_fault_has_its_line(faults: Faults, text: str, expected: str) -> None:
    spec = f'asdkit = 1\n[featurizers.logmel]\nuse = "log-mel"\n{G}[data]\n{text}\n'
    assert faults(spec) == [f"spec.toml:{expected}"]


HEAD_FAULTS = {
    "": "spec.toml:1: asdkit: missing; expected the version of the spec format: asdkit = 1",
    "asdkit = 2": "spec.toml:1: asdkit: the spec's format is 2, this asdkit reads 1; update asdkit",
    "asdkit = 0": "spec.toml:1: asdkit: 0 is out of bounds; expected at least 1",
    "asdkit = true": "spec.toml:1: asdkit: true is a truth value; expected a whole number",
    'asdkit = "1"': 'spec.toml:1: asdkit: "1" is a text; expected a whole number',
    "asdkit = 1\nseed = -1": "spec.toml:2: seed: -1 is out of bounds; expected at least 0",
    'asdkit = 1\nname = ""': 'spec.toml:2: name: "": the name is empty',
    'asdkit = 1\nnmae = "x"': 'spec.toml:2: nmae: unknown option; did you mean "name"?',
}


@pytest.mark.parametrize(("head", "expected"), HEAD_FAULTS.items(), ids=HEAD_FAULTS)
def test_a_fault_of_a_top_level_key_has_its_line(faults: Faults, head: str, expected: str) -> None:
    assert faults(head + BASE.removeprefix("asdkit = 1") + G) == [expected]


def test_a_missing_data_table_is_reported(faults: Faults) -> None:
    text = f'asdkit = 1\n[featurizers.logmel]\nuse = "log-mel"\n{G}'
    assert faults(text) == ["spec.toml:1: data: missing; expected a table [data] with layout and root"]


@pytest.mark.parametrize(
    "name",
    ["", ".hidden", "a/b", "a\\\\b", "..", "a\\nb", "end.", " a", "Jobs", "plots", "label", "scores.csv", "x" * 101],
)
@pytest.mark.parametrize("section", ["detectors", "systems"])
def test_names_unfit_for_folders_are_refused(faults: Faults, section: str, name: str) -> None:
    rest = 'use = "group-made"' if section == "detectors" else 'members = ["G"]'
    lines = faults(f'{BASE}{G}[{section}."{name}"]\n{rest}\n')
    assert len(lines) == 1
    assert lines[0].startswith(f"spec.toml:9: {section}.")
    assert "name" in lines[0]


def test_all_faults_are_sorted_by_line(faults: Faults) -> None:
    text = (
        BASE.replace('"folder"', '"foldr"')
        + '[systems.s]\nmembers = ["X"]\n'
        + G
        + "epochs = 0\nhiden = 1\npower = true\n"
    )
    assert [line.split(": ")[0] for line in faults(text, "seed=x", "y")] == [
        "spec.toml:3",
        "spec.toml:8",
        "spec.toml:11",
        "spec.toml:12",
        "spec.toml:13",
        "--set seed=x",
        "--set y",
    ]


def test_an_inherited_fault_is_reported_once(faults: Faults) -> None:
    text = f'{BASE}{G}epochs = 0\n[detectors.H]\nextends = "G"\n[machines.fan.detectors.H]\nhidden = 3\n'
    assert faults(text) == ["spec.toml:9: detectors.G.epochs: 0 is out of bounds; expected at least 1"]


def test_an_inherited_unknown_key_is_located_where_written(faults: Faults) -> None:
    text = f'{BASE}{G}epochs = 3\n[detectors.H]\nextends = "G"\nuse = "needy"\nwidth = 2\n'
    [fault] = faults(text)
    assert fault.startswith("spec.toml:9: detectors.H.epochs: unknown option; ")
    assert fault.endswith(" (inherited from detectors.G)")


def test_a_missing_key_is_not_reported_for_extending_tables(faults: Faults) -> None:
    two = '[detectors.N]\nuse = "needy"\n[detectors.O]\nextends = "N"\nhop = 2\n'
    text = f'{BASE}{two}[detectors.P]\n[detectors.Q]\nextends = "P"\n'
    assert [line.split("; ")[0] for line in faults(text)] == [
        "spec.toml:7: detectors.N.width: missing",
        "spec.toml:12: detectors.P.use: missing",
    ]


def test_no_missing_keys_if_the_extended_table_is_missing(faults: Faults) -> None:
    text = (
        f'{BASE}{G}[detectors.H]\nextends = "GG"\nhop = 0\n[detectors.I]\nextends = "H"\n[systems.s]\nextends = "t"\n'
    )
    assert faults(text) == [
        'spec.toml:10: detectors.H.extends: there is no table "GG" here; did you mean "G"?',
        "spec.toml:11: detectors.H.hop: 0 is out of bounds; expected at least 1",
        'spec.toml:15: systems.s.extends: there is no table "t" here',
    ]


def test_a_circular_extends_names_its_tables(faults: Faults) -> None:
    text = f'{BASE}[detectors.A]\nextends = "B"\n[detectors.B]\nextends = "C"\n[detectors.C]\nextends = "B"\n'
    assert faults(text) == ["spec.toml:12: detectors.C.extends: circular: B -> C -> B"]


def test_incompatible_settings_name_the_key_at_fault(faults: Faults) -> None:
    text = BASE + '[augmenters.mix]\nuse = "mix"\n[detectors.A]\nuse = "id-classifier"\nloss = "arcface"\n'
    override = '[machines.valve.detectors.A]\naugmenters = ["mix"]\n'
    expected = "loss: arcface takes no soft targets"
    assert faults(text + 'augmenters = ["mix"]') == [f"spec.toml:11: detectors.A.{expected}"]
    assert faults(text + override) == [
        f"spec.toml:11: machines.valve.detectors.A.{expected} (inherited from detectors.A)"
    ]


def test_a_detector_for_each_id_has_one_id(faults: Faults) -> None:
    text = BASE + '[detectors.A]\nuse = "id-classifier"\nscope = "id"\n'
    assert faults(text) == ["spec.toml:7: detectors.A: one id and no augmenter that adds classes: nothing to classify"]


def test_problems_that_depend_on_data_are_located(load: Load) -> None:
    spec = load(BASE + '[detectors.A]\nuse = "id-classifier"\n[machines.fan.detectors.A]\nhop = 4\n' + G)
    text = "detectors.A: one id and no augmenter that adds classes: nothing to classify"
    assert spec.problems("valve", ids=2) == []
    assert spec.problems("valve", ids=1) == [f"spec.toml:7: {text}"]
    assert spec.problems("fan", ids=1) == [f"spec.toml:9: machines.fan.{text}"]


def test_a_broken_plugin_has_its_own_exit_code(load: Load) -> None:
    with pytest.raises(PluginError) as error:
        load(BASE + '[detectors.R]\nuse = "rotten"\n')
    assert error.value.exit_code == ExitCode.PLUGIN
    assert error.value.message == (
        "spec.toml:8: detectors.R.use: detector 'rotten' of asdkit-rotten 0.1 is broken: ImportError: no such thing"
    )
    assert "asdkit-rotten" in error.value.hint


def test_a_failing_check_or_wrong_default_means_broken(load: Load) -> None:
    with pytest.raises(PluginError) as error:
        load(BASE + '[detectors.F]\nuse = "fragile"\n[detectors.M]\nuse = "misled"\n')
    assert error.value.message.split("\n") == [
        "spec.toml:8: detectors.F.use: the plugin 'fragile' is broken: the check of its options failed "
        "(RuntimeError: oh no)",
        "spec.toml:10: detectors.M.use: the plugin 'misled' is broken: wrong defaults of the core's keys "
        "(frames: 0 is out of bounds; expected at least 1)",
    ]


def test_a_broken_plugin_is_listed_among_other_faults(load: Load) -> None:
    with pytest.raises(SpecError) as error:
        load(BASE + '[detectors.R]\nuse = "rotten"\nframes = 0\n')
    assert error.value.exit_code == ExitCode.USAGE
    assert [line.split(": ")[1] for line in error.value.message.split("\n")] == [
        "detectors.R.use",
        "detectors.R.frames",
    ]


def test_values_in_messages_are_one_short_line(faults: Faults) -> None:
    [long] = faults(f'{BASE}{G}epochs = "{"x" * 5000}"')
    [split] = faults(BASE + G + 'epochs = """a\nb\\u001b[31m"""')
    [listed] = faults(f"{BASE}{G}epochs = {list(range(1000))}")
    assert long == f'spec.toml:9: detectors.G.epochs: "{"x" * 57}..." is a text; expected a whole number'
    assert split == 'spec.toml:9: detectors.G.epochs: "a\\nb\\u001b[31m" is a text; expected a whole number'
    assert listed == "spec.toml:9: detectors.G.epochs: this is a list; expected a whole number"
