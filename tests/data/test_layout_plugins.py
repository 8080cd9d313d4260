"""Layouts of plugins: options in a spec, and what the core makes of clips that break the contract."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from asdkit.api import Clip, Config, Entry, FolderScan, Layout
from asdkit.data import find_clips
from asdkit.errors import AsdkitWarning, DataError, PluginError
from tests.helpers.packages import install
from tests.helpers.rooms import write_clip
from tests.mutants.sound import FlatLayout

COMPANY = """
from asdkit.api import Config, Entry, Field, Layout, hookimpl

class CompanyConfig(Config):
    healthy: str = Field("ok", description="folder of healthy recordings")

class Company(Layout):
    shape = "<root>/<machine>/<healthy>/*.wav, <root>/<machine>/<any other>/*.wav"
    examples = {"fan/ok/a.wav": "", "fan/new/b.wav": ""}

    def machines(self, scan):
        return {entry.name: (entry.path,) for entry in scan.folders(str(scan.root))}

    def clips(self, scan, machine, folder):
        for inner in scan.folders(folder):
            healthy = inner.name == self.config.healthy
            for entry in scan.entries(inner.path):
                if scan.is_recording(entry.name):
                    yield scan.clip(entry.path, machine, *(("train", 0) if healthy else ("test", None)), "00")
                else:
                    scan.ignore(entry.path)

@hookimpl
def asdkit_layouts():
    return [Entry("company", CompanyConfig, Company, summary="Folders of our company.")]
"""
SPEC = """
asdkit = 1
[data]
layout = LAYOUT
root = "room"
sample_rate = 8000
[featurizers.f]
use = "log-mel"
[detectors.K]
use = "knn"
frames = "clip"
"""


@pytest.fixture
def company(tmp_path):
    """A room in the layout of a plugin, and a function that writes a spec with a layout."""
    install(tmp_path / "site", "asdkit-company", {"plug_company.py": COMPANY}, {"company": "plug_company"})
    for number, name in enumerate(("good/a", "good/b", "good/c", "new/d")):
        write_clip(tmp_path / "room" / "press" / f"{name}.wav", number, seconds=2)

    def write(layout):
        (tmp_path / "spec.toml").write_text(SPEC.replace("LAYOUT", layout))

    return write


def test_a_layout_of_a_plugin_runs_with_its_options(company, asdkit, tmp_path):
    company('{ use = "company", healthy = "good" }')
    ran = asdkit("run", "spec.toml", "--backend", "sequential", "--set", "calibration.held_out=0")
    assert ran.returncode == 0, ran.stderr
    scores = (tmp_path / "runs" / "spec" / "scores.csv").read_text()
    assert "press/new/d.wav" in scores
    shown = asdkit("data", "room", "--layout", "company")
    assert "layout company, 4 clips" in shown.stdout  # its default takes all as new
    checked = asdkit("check-plugin", "company")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        ('{ use = "company", helthy = "x" }', '3: data.layout.helthy: unknown option; did you mean "healthy"?'),
        ('{ use = "company", healthy = 3 }', "3: data.layout.healthy: 3 is a whole number; expected a text in quotes"),
        ('{ use = "compny" }', '3: data.layout.use: no plugin provides the layout "compny"; did you mean "company"?'),
        ("3", "3: data.layout: 3 is a whole number; expected the name of a layout, or { use = ... }"),
        ('"knn"', '3: data.layout: "knn" is the name of a detector, not of a layout'),
    ],
)
def test_a_wrong_layout_is_a_fault_of_the_spec(company, asdkit, layout, fault):
    company(layout)
    checked = asdkit("check", "spec.toml")
    assert checked.returncode == 2
    assert f"spec.toml:{fault.replace('3:', '4:', 1)}" in checked.stderr
    assert "Traceback" not in checked.stderr


def clip(**changes):
    facts = {"path": Path("fan/a.wav"), "name": "fan/a.wav", "machine": "fan", "id": "00", "split": "train", "label": 0}
    return Clip(**{**facts, **changes})


@pytest.mark.parametrize(
    ("yielded", "fault"),
    [
        ("fan/a.wav", "yields str; expected clips"),
        (clip(path="fan/a.wav"), "path must be a Path"),
        (clip(id=""), "texts that are not empty"),
        (clip(machine="pump"), "a clip of machine 'pump' among those of 'fan'"),
        (clip(split="training"), "split is 'training'"),
        (clip(label=True), "label is True"),
        (clip(label=2), "label is 2"),
        (clip(label=None), "a training clip without a label"),
        (clip(domain="lab"), "domain is 'lab'"),
        (clip(attributes={"load": 3}), "attributes must be a dict of texts"),
    ],
)
def test_clips_that_break_the_contract_are_refused(tmp_path, yielded, fault):
    class Wrong(FlatLayout):
        def clips(self, scan, machine, folder):
            yield yielded

    (tmp_path / "fan").mkdir()
    with pytest.raises(PluginError, match=fault):
        find_clips(Wrong(Config()), tmp_path)


def test_a_layout_that_fails_is_named(tmp_path):
    class Fails(FlatLayout):
        def machines(self, scan):
            raise KeyError("oops")

    class Nothing(FlatLayout):
        def machines(self, scan):
            return ["fan"]

    with pytest.raises(PluginError, match=r"Fails: machines failed: KeyError: .?'oops'"):
        find_clips(Fails(Config()), tmp_path)
    with pytest.raises(PluginError, match="must return a dict"):
        find_clips(Nothing(Config()), tmp_path)


def test_two_clips_of_one_name_and_training_anomalies_are_refused(tmp_path):
    class Anomalous(FlatLayout):
        def clips(self, scan, machine, folder):
            yield clip(label=1)

    (tmp_path / "fan").mkdir()
    with pytest.raises(DataError, match="labelled anomaly"):
        find_clips(Anomalous(Config()), tmp_path)


def test_attributes_that_hold_labels_are_left_out(tmp_path):
    header = "path,machine,split,label,load,state,Is-Anomaly"
    rows = f"{header}\na.wav,fan,train,,3,normal,0\nb.wav,fan,test,anomaly,5,Broken,1\n"
    (tmp_path / "clips.csv").write_text(rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clips = find_clips("csv", tmp_path / "clips.csv")
    assert [dict(c.attributes) for c in clips] == [{"load": "3"}, {"load": "5"}]
    texts = sorted(str(w.message) for w in caught if w.category is AsdkitWarning)
    assert [text.split("attribute ")[1].split(" is")[0] for text in texts] == ["Is-Anomaly", "state"]


def test_attributes_come_from_names_and_tables(tmp_path):
    (tmp_path / "fan" / "train").mkdir(parents=True)
    names = ("section_00_source_train_normal_0000_speed_6.wav", "section_00_target_train_normal_0001_noAttribute.wav")
    for name in names:
        (tmp_path / "fan" / "train" / name).touch()
    table = f"file_name,d1p,d1v,d2p,d2v\nfan/train/{names[0]},speed,6,mic,2\nfan/train/{names[1]},,,noAttribute,\n"
    (tmp_path / "fan" / "attributes_00.csv").write_text(table)
    first, second = find_clips("dcase2023", tmp_path)
    assert (dict(first.attributes), first.domain) == ({"speed": "6", "mic": "2"}, "source")
    assert (dict(second.attributes), second.domain) == ({}, "target")


def test_the_example_of_the_interface_is_a_layout():
    entry = Entry("flat", Config, FlatLayout, summary="x")
    assert isinstance(entry.load()(Config()), Layout)
    assert FolderScan(Path(".")).faults == []
